"""What a newcomer does: open, look around, name, create, use, renew, share, delete."""

import re

import pytest
from playwright.async_api import Page, Route, expect

from orchestrator.domain.models import Caller

from .site import Site

pytestmark = pytest.mark.anyio

QUIET = "Object.defineProperty(document, 'hidden', { get: () => window.looksElsewhere ?? false })"


async def test_the_whole_path(on: Site, scripted: bool) -> None:
    page = await on.visitor(scripts=scripted, locale="en-GB")
    await page.goto("/")
    await page.get_by_role("searchbox").fill("plain text")
    await page.keyboard.press("Enter")
    await expect(page.locator(".card:visible")).to_have_count(1)
    await page.get_by_role("link", name=re.compile("What is inside ?: DokuWiki")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("DokuWiki")
    await page.get_by_label("Name your site").fill("Team Notes")
    healthy = on.world.probe.site
    on.never_ready()
    async with page.context.expect_page() as opened:
        await page.get_by_role("button", name="Create").click()
    tab = await opened.value
    await expect(tab.get_by_role("heading", name="Creating your DokuWiki site")).to_be_visible()
    on.world.probe.site = healthy
    await tab.wait_for_url(re.compile(r"^http://team-notes-[a-z0-9]{12}\.sandbox\.localhost"))

    if scripted:  # it has gone on by itself
        await page.wait_for_url("**/sites*")
    await page.goto("/")
    await page.get_by_role("link", name=re.compile("Login, renew, delete ?: team-notes")).click()
    await expect(page.get_by_role("heading", name="Login")).to_be_visible()
    on.world.clock.advance(minutes=10)
    await page.get_by_role("button", name="Renew to 40 minutes").click()
    await expect(page.get_by_role("timer")).to_have_text(re.compile("^(40 minutes|39:|40:)"))

    await page.get_by_text("Share", exact=True).click()
    link = await page.locator("details", has_text="Link to share").locator("code").inner_text()
    stranger = await on.visitor(scripts=scripted)
    await stranger.goto(link)
    await expect(stranger.get_by_role("heading", level=1)).to_contain_text("team-notes")
    await expect(stranger.get_by_role("timer")).to_be_visible()
    assert await stranger.locator("form:not(.languages)").count() == 0

    await page.goto("/sites")
    await page.get_by_text("Delete this site").click()
    await page.get_by_role("button", name="Delete it now").click()
    await expect(page.get_by_role("heading", name="You deleted this site")).to_be_visible()
    await stranger.goto(link)
    await expect(stranger.get_by_role("heading", name="This site was deleted")).to_be_visible()


async def test_search_and_category_need_no_mouse(on: Site) -> None:
    page = await on.visitor()
    await page.goto("/")
    await page.get_by_role("searchbox").focus()
    await page.keyboard.type("drup")
    await expect(page.locator(".card:visible")).to_have_count(1)
    await expect(page.locator("[data-found]")).to_have_text("1 application")
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("wikipedia")
    await expect(page.locator(".card:visible")).to_have_count(1)
    await expect(page.get_by_label("MediaWiki", exact=True)).to_be_checked()
    await expect(page.get_by_role("button", name="Create MediaWiki site")).to_be_visible()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.press("Delete")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Wiki")
    await expect(page.locator(".card:visible")).to_have_count(2)


async def test_another_sites_page_cannot_launch_anything(on: Site) -> None:
    page = await on.visitor()

    async def evil(route: Route) -> None:
        form = f'<form method="post" action="{on.url}/launch"><input name="distribution"'
        body = f'{form} value="dokuwiki"></form><script>document.forms[0].submit()</script>'
        await route.fulfill(body=body, content_type="text/html")

    await page.route("http://evil.localhost/**", evil)
    before = set(on.world.services.ledger.live)
    async with page.expect_response(f"{on.url}/launch") as response:
        await page.goto("http://evil.localhost/", wait_until="commit")
    assert (await response.value).status == 403
    await expect(page).to_have_title(re.compile("another site’s page"))  # it has arrived
    assert set(on.world.services.ledger.live) == before


async def test_the_language_can_be_chosen_and_is_remembered(on: Site, scripted: bool) -> None:
    page = await on.visitor(scripts=scripted, locale="en-GB")
    await page.goto("/d/dokuwiki")
    await page.get_by_role("button", name="Deutsch").click()
    await expect(page).to_have_url(f"{on.url}/d/dokuwiki")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Wirklich ausprobieren.")


async def test_the_log_is_shown_while_one_waits(on: Site, scripted: bool) -> None:
    healthy = on.world.probe.site
    on.never_ready()
    page = await on.visitor(scripts=scripted, locale="en-GB")
    instance = await on.begin(page, "dokuwiki")
    await on.world.until(instance.id, lambda now: now.stage == "checking")
    on.world.engine.host.say(on.world.engine.name_of(instance.id), "Warming up")
    await page.goto(f"/instances/{instance.id}")
    await page.locator("summary", has_text="What it says meanwhile").click()
    if not scripted:
        await page.get_by_role("link", name="What it says meanwhile").click()
    await expect(page.locator("pre")).to_contain_text("Warming up")
    on.world.probe.site = healthy


async def test_whoever_looks_elsewhere_sees_in_the_tab_that_it_is_ready(on: Site) -> None:
    healthy = on.world.probe.site
    on.never_ready()
    page = await on.visitor(locale="en-GB")
    await page.add_init_script(QUIET)
    instance = await on.begin(page, "dokuwiki", "notes")
    await page.wait_for_url(f"**/instances/{instance.id}")
    await page.evaluate("window.looksElsewhere = true")
    on.world.probe.site = healthy
    await expect(page).to_have_title("✓ notes is ready")
    icon = page.locator("link[rel=icon]")
    await expect(icon).to_have_attribute("href", re.compile("favicon-ready"))
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.wait_for_url(re.compile(rf"^http://notes-{instance.id}\.sandbox"))


async def test_the_queue_shows_in_the_tab(on: Site) -> None:
    page = await on.visitor(locale="en-GB")
    position = on.world.services.waiting.position
    healthy = on.world.probe.site
    on.never_ready()
    instance = await on.begin(page, "dokuwiki")
    on.world.services.waiting.position = lambda instance_id: 3  # type: ignore[method-assign]
    await page.goto(f"/instances/{instance.id}")
    await expect(page).to_have_title("3 in the queue · Distros")
    on.world.services.waiting.position = position  # type: ignore[method-assign]
    on.world.probe.site = healthy


async def test_a_notification_comes_five_minutes_before_the_end(on: Site) -> None:
    page = await on.visitor(locale="en-GB", permissions=["notifications"])
    await page.add_init_script(
        "window.Notification = class { static permission = 'default';"
        " static async requestPermission() { return (this.permission = 'granted'); }"
        " constructor(title) { document.documentElement.dataset.told = title; } }"
    )
    instance = await on.create(page, "dokuwiki", "notes")
    on.world.clock.advance(minutes=34, seconds=56)
    await page.goto(f"/instances/{instance.id}")
    await page.get_by_role("button", name="Tell me before it ends").click()
    await expect(page.locator("[data-notifier]")).to_contain_text("as long as this page is open")
    await expect(page.locator("html")).to_have_attribute("data-told", "notes ends in five minutes")
    await expect(page.get_by_role("status")).to_contain_text(
        "Less than five minutes are left. Renew it, or"
    )


async def test_a_shared_page_follows_a_renewal_by_itself(on: Site) -> None:
    page, stranger = await on.visitor(), await on.visitor()
    instance = await on.create(page, "dokuwiki")
    await stranger.clock.install()
    await stranger.goto(f"/s/{on.world.services.sharing.token(instance.id)}")
    before = await stranger.get_by_role("timer").get_attribute("data-countdown") or ""
    on.world.clock.advance(minutes=5)
    await on.world.services.leases.renew(Caller(instance.owner), instance.id)
    await stranger.clock.fast_forward(20_000)
    await expect(stranger.get_by_role("timer")).not_to_have_attribute("data-countdown", before)


async def test_copying_says_that_it_has_copied(on: Site) -> None:
    page = await on.visitor(locale="en-GB", permissions=["clipboard-read", "clipboard-write"])
    instance = await on.create(page, "dokuwiki")
    await page.goto(f"/instances/{instance.id}")
    button = page.get_by_role("button", name="Copy password")
    await button.click()
    await expect(button.or_(page.get_by_role("button", name="Copied"))).to_contain_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == instance.password


async def test_no_page_asks_anybody_else_for_anything(on: Site) -> None:
    page: Page = await on.visitor()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for address in ("/", "/d/dokuwiki", "/launch/dokuwiki", "/sites"):
        await page.goto(address, wait_until="networkidle")
    assert asked and all(url.startswith(on.url) for url in asked)
