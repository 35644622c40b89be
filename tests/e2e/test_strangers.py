"""Strangers at the real stack: spam protection and limits as they are by default, spoofed headers,
and a sibling domain's page in a real Chromium."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.web.test_captcha import solved

from .browser import Visitor
from .stack import Stack, running_stack

EARLIER = 3  # launches per address that the stack allows


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With the captcha on, and few launches from one address (which all visitors here share)."""
    with running_stack(
        tmp_path_factory.mktemp("strangers"),
        name="distros-strangers",
        port=28580,
        subnet="10.226.0.0/16",
        DISTROS_POOL_LIMIT="0",
        DISTROS_BRING_IMAGES="false",
        DISTROS_CAPTCHA="altcha",
        DISTROS_LAUNCHES_WITHOUT_JAVASCRIPT="1",
        DISTROS_LAUNCHES_PER_ADDRESS=str(EARLIER),
    ) as started:
        yield started


@pytest.fixture
def visitor(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor(stack, browser.new_context().new_page())
    yield visitor
    visitor.leave()
    assert visitor.complaints == []


def launches(stack: Stack) -> int:
    with stack.api() as api:
        return sum(api.get("/stats").json()["launches"].values())


def test_the_browser_has_solved_the_captcha_before_its_visitor_clicks(visitor: Visitor) -> None:
    foreign: list[str] = []
    visitor.page.on("request", lambda request: _note_foreign(request.url, foreign))
    visitor.page.goto(visitor.stack.site_url)
    expect(visitor.page.locator("input[name=captcha]")).not_to_have_value("")
    assert foreign == []
    visitor.create("DokuWiki", "mine")
    expect(visitor.page.locator("body")).to_contain_text("DokuWiki")


def _note_foreign(url: str, foreign: list[str]) -> None:
    if httpx.URL(url).host != "distros.localhost":
        foreign.append(url)


def test_without_javascript_it_takes_a_little_longer_and_works(
    stack: Stack, browser: Browser
) -> None:
    visitor = Visitor.without_scripts(stack, browser)
    try:
        visitor.create("DokuWiki")
        expect(visitor.page.locator("body")).to_contain_text("DokuWiki")
        visitor.page.goto(stack.site_url)
        visitor.press_create()
        complaint = visitor.page.get_by_role("alert")
        expect(complaint).to_contain_text("at once with JavaScript")
    finally:
        visitor.leave()


def test_a_sibling_domains_page_can_neither_set_cookies_for_the_site_nor_send_its_forms(
    stack: Stack, browser: Browser
) -> None:
    hello = stack.launch("hello")
    visitor = Visitor(stack, browser.new_context().new_page())
    page = visitor.page
    page.goto(stack.site_url)
    before = {each["name"]: each["value"] for each in page.context.cookies(stack.site_url)}
    token = page.locator("form#create input[name=token]").get_attribute("value")
    earlier = launches(stack)

    page.goto(hello["url"])
    sent = page.context.cookies(hello["url"])
    assert sent == []  # the site's is not forwarded
    page.evaluate(
        """() => {
            for (const domain of ["localhost", "distros.localhost", ".localhost"])
                document.cookie = `distros_visitor=tossed; path=/; domain=${domain}`;
        }"""
    )
    after = {each["name"]: each["value"] for each in page.context.cookies(stack.site_url)}
    assert after == before

    with page.expect_navigation(url=f"{stack.site_url}/launch"):
        page.evaluate(
            """([site, token]) => {
                const form = document.createElement("form");
                form.method = "post";
                form.action = `${site}/launch`;
                for (const [name, value] of [["distribution", "hello"], ["token", token]]) {
                    const field = document.createElement("input");
                    [field.name, field.value] = [name, value];
                    form.append(field);
                }
                document.body.append(form);
                form.submit();
            }""",
            [stack.site_url, token],
        )
    expect(page.get_by_text("This request came from another site")).to_be_visible()
    page.goto(hello["url"])
    answer = page.evaluate(
        """async (url) => {
            const options = { method: "POST", credentials: "include", mode: "no-cors" };
            return (await fetch(url, options)).type;
        }""",
        f"{stack.site_url}/launch",
    )
    assert answer == "opaque"
    assert launches(stack) == earlier
    visitor.leave()


def test_of_a_hundred_who_send_the_same_proof_at_once_one_gets_a_site(stack: Stack) -> None:
    with stack.api(admin=False) as visitor:
        proof = solved(visitor.get("/captcha").json()["challenge"])

    def replay(_: int) -> int:
        with stack.api(admin=False) as visitor:
            body = {"distribution": "dokuwiki", "captcha": proof}
            return visitor.post("/instances", json=body).status_code

    with ThreadPoolExecutor(25) as strangers:
        statuses = Counter(strangers.map(replay, range(100)))
    assert statuses == {202: 1, 403: 99}


def test_instances_are_not_for_search_engines_and_tell_nobody_their_address(stack: Stack) -> None:
    hello = stack.launch("hello")
    headers = stack.get(hello["url"]).headers
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_header_that_a_client_sends_changes_whose_launches_are_counted(stack: Stack) -> None:
    """The browsers before have used up some; whatever is left is used up here."""
    statuses: list[int] = []
    for number in range(EARLIER + 3):
        spoofed = {
            "X-Forwarded-For": f"6.6.6.{number}",
            "X-Real-Ip": f"6.6.7.{number}",
            "X_Forwarded_For": f"6.6.8.{number}",
            "Forwarded": f"for=6.6.9.{number}",
            "X-Forwarded-Host": "evil.example",
        }
        statuses.append(_launch(stack, spoofed).status_code)
    assert statuses[-3:] == [429, 429, 429]
    refused = _launch(stack, {}).json()
    assert refused["code"] == "too_many_launches"
    with stack.api() as admin:
        launched = admin.post("/instances", json={"distribution": "hello"})
        assert launched.status_code == 202


def _launch(stack: Stack, headers: dict[str, str]) -> httpx.Response:
    with stack.api(admin=False) as visitor:
        challenge = visitor.get("/captcha").json()["challenge"]
        body: dict[str, Any] = {"distribution": "dokuwiki", "captcha": solved(challenge)}
        return visitor.post("/instances", json=body, headers=headers)


def test_a_host_that_is_not_ours_is_refused(stack: Stack) -> None:
    for host in ("evil.example", "distros.localhost.evil.example", "evil.example."):
        answer = stack.get(f"{stack.site_url}/", headers={"Host": host})
        assert answer.status_code == 421 and "location" not in answer.headers
