"""One click to a running site: a real Chromium, the real stack, with JavaScript and without."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from .browser import Visitor, close
from .stack import Stack


@pytest.fixture
def live(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    """A visitor with JavaScript; their browser has nothing to complain about."""
    visitor = Visitor(stack, browser.new_context().new_page())
    yield visitor
    visitor.leave()
    assert visitor.complaints == []


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def visitor(request: pytest.FixtureRequest, stack: Stack, browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor.with_or_without_scripts(stack, browser, request.param)
    yield visitor
    visitor.leave()
    assert visitor.complaints == []


@pytest.mark.parametrize("application", ["DokuWiki", "MediaWiki"])
def test_a_click_leads_to_the_running_application_at_its_own_subdomain(
    visitor: Visitor, application: str
) -> None:
    visitor.create(application, "my-site")
    expect(visitor.page.locator("body")).to_contain_text(application)


@pytest.mark.parametrize(
    ("application", "way_out"),
    [("DokuWiki", "a[href*='do=logout']"), ("MediaWiki", "#pt-logout")],
)
def test_its_creator_arrives_signed_in_and_nobody_else(
    visitor: Visitor, browser: Browser, application: str, way_out: str
) -> None:
    visitor.create(application, "mine")
    expect(visitor.page.locator(way_out).first).to_be_attached()
    assert "key=" not in visitor.page.url
    stranger = browser.new_context().new_page()
    stranger.goto(visitor.page.url)
    expect(stranger.locator("body")).to_contain_text(application)
    expect(stranger.locator(way_out)).to_have_count(0)
    close(stranger.context)


def test_signing_in_again_needs_the_password_that_is_shown(visitor: Visitor) -> None:
    instance_id = visitor.create("DokuWiki")
    visitor.open_instance(instance_id)
    user, password = visitor.page.locator(".box dl code").all_inner_texts()
    sign_in = visitor.page.get_by_role("link", name="Sign in").get_attribute("href") or ""
    visitor.page.goto(sign_in)  # used up on arrival; but whoever is signed in stays so
    visitor.page.get_by_role("link", name="Log Out").click()
    expect(visitor.page.get_by_role("link", name="Log In")).to_be_visible()
    visitor.page.goto(sign_in)
    visitor.page.locator("#dw__login input[name=u]").fill(user)
    visitor.page.locator("#dw__login input[name=p]").fill(password)
    visitor.page.locator("#dw__login button[type=submit]").click()
    expect(visitor.page.get_by_role("link", name="Log Out")).to_be_visible()


def test_the_tab_where_it_was_created_goes_on_to_its_clock_and_login(live: Visitor) -> None:
    live.page.goto(live.stack.site_url)
    live.page.get_by_label("DokuWiki", exact=True).check()
    first = live.press_create()
    instance_id = live.arrive()
    expect(first).to_have_url(f"{live.stack.site_url}/sites#site-{instance_id}")
    login = first.locator(f'[data-site="{instance_id}"]').get_by_role("term")
    expect(login.filter(has_text="Password")).to_be_visible()
    expect(first.get_by_role("timer")).to_be_visible()


def test_without_javascript_a_link_beside_the_button_leads_there(
    stack: Stack, browser: Browser
) -> None:
    visitor = Visitor.without_scripts(stack, browser)
    visitor.page.goto(stack.site_url)
    visitor.page.get_by_label("DokuWiki", exact=True).check()
    first = visitor.press_create()
    instance_id = visitor.arrive()
    first.get_by_role("link", name="Your sites").click()
    login = first.locator(f'[data-site="{instance_id}"]').get_by_role("term")
    expect(login.filter(has_text="Password")).to_be_visible()
    visitor.leave()


def test_renewing_moves_the_end(visitor: Visitor) -> None:
    instance_id = visitor.create("DokuWiki")
    visitor.open_instance(instance_id)
    before = visitor.page.locator("[data-expires]").get_attribute("data-expires") or ""
    visitor.page.get_by_role("button", name="Renew to 40 minutes").click()
    expect(visitor.page.locator("[data-expires]")).not_to_have_attribute("data-expires", before)
    assert (visitor.page.locator("[data-expires]").get_attribute("data-expires") or "") > before


def test_deleting_asks_first_and_then_nothing_is_left(visitor: Visitor) -> None:
    instance_id = visitor.create("DokuWiki")
    address = visitor.page.url
    visitor.open_instance(instance_id)
    button = visitor.page.get_by_role("button", name="Delete it now")
    expect(button).not_to_be_visible()
    visitor.page.get_by_text("Delete this site").click()
    button.click()
    expect(visitor.page.get_by_role("heading", name="You deleted this site")).to_be_visible()
    expect(visitor.page.get_by_text("Nothing of it is left.")).to_be_visible()
    assert visitor.stack.objects("container", instance_id) == []
    visitor.stack.until_told_gone(address)
    answer = visitor.page.goto(address)
    assert answer is not None and answer.status == 410
    visitor.page.get_by_role("link", name="Create a new DokuWiki site").click()
    expect(visitor.page.get_by_label("DokuWiki", exact=True)).to_be_checked()


def test_a_name_that_cannot_be_an_address_is_explained_where_it_was_typed(
    visitor: Visitor,
) -> None:
    visitor.page.goto(visitor.stack.site_url)
    name = visitor.page.get_by_label("Name your site")
    name.fill("☃")
    form = visitor.page.locator("form#create")
    if form.evaluate("form => form.checkValidity()"):  # no module has told the browser
        visitor.press_create()
        name = visitor.page.get_by_label("Name your site")
        complaint = visitor.page.get_by_role("alert")
        expect(complaint).to_be_in_viewport()
        expect(name).to_be_focused()
        expect(complaint).to_contain_text("“☃” cannot become a subdomain.")
    else:
        assert "letter" in name.evaluate("field => field.validationMessage")
    expect(name).to_have_value("☃")


def test_the_whole_way_can_be_gone_with_the_keyboard(live: Visitor) -> None:
    live.page.goto(live.stack.site_url)
    keyboard = live.page.keyboard

    def press_until(key: str, what: str) -> None:
        for _ in range(15):
            keyboard.press(key)
            if live.page.evaluate(f"document.activeElement.matches({what!r})"):
                return
        raise AssertionError(f"{key} never leads to {what}")

    press_until("Tab", "[name=distribution]")
    press_until("ArrowDown", "[value=dokuwiki]")
    press_until("Tab", "#name")
    keyboard.type("By Hand")
    expect(live.page.locator("[data-preview]")).to_contain_text("by-hand-")
    press_until("Tab", "button")
    focused = live.page.get_by_role("button", name="Create DokuWiki site (opens in a new tab)")
    expect(focused).to_be_focused()
    live.press_create("Enter")
    live.arrive("by-hand")


def test_the_clock_runs_and_an_open_page_tells_by_itself_that_its_site_is_gone(
    live: Visitor,
) -> None:
    instance_id = live.create("DokuWiki", "short")
    live.open_instance(instance_id)
    clock = live.page.get_by_role("timer")
    expect(clock).to_have_text(re.compile(r"^(40:00|39:\d\d)$"))
    shown = clock.inner_text()
    expect(clock).not_to_have_text(shown)
    with live.stack.api() as api:
        assert api.delete(f"/instances/{instance_id}").status_code == 204
    expect(live.page.get_by_role("heading", name="This site was removed")).to_be_visible()


def test_a_double_click_creates_one_site(live: Visitor) -> None:
    live.page.goto(live.stack.site_url)
    live.page.get_by_label("DokuWiki", exact=True).check()
    live.press_create("double click")
    live.arrive()
    live.page.goto(live.stack.site_url)
    expect(live.page.locator(".own li")).to_have_count(1)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_is_wider_than_its_window(live: Visitor, width: int) -> None:
    instance_id = live.create("DokuWiki", "a-name-of-thirty-two-characters")
    live.page.set_viewport_size({"width": width, "height": 800})
    host = f"nobody-abcdefghijkm.sandbox.localhost:{live.stack.port}"
    for address in (
        live.stack.site_url,
        f"{live.stack.site_url}/instances/{instance_id}",
        f"{live.stack.site_url}/nowhere",
        f"http://{host}/",
    ):
        live.page.goto(address)
        assert live.page.evaluate("document.documentElement.scrollWidth") <= width, address
