"""The admin at their browser: in by the password, out for good; with JavaScript and without."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from orchestrator.service.admin_secrets import hashed

from .browser import Visitor
from .stack import Stack, running_stack

PASSWORD = "four words in a row"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a password."""
    with running_stack(
        tmp_path_factory.mktemp("admin"),
        name="distros-admin-test",
        port=28680,
        subnet="10.227.0.0/16",
        DISTROS_POOL_LIMIT="0",
        DISTROS_BRING_IMAGES="false",
        DISTROS_ADMIN_PASSWORD_HASH=f"'{hashed(PASSWORD)}'",
    ) as started:
        yield started


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_the_admin_signs_in_stops_an_instance_pauses_resumes_and_signs_out(
    guarded: Stack, browser: Browser, javascript: bool
) -> None:
    site = guarded.launch("hello", name="reported")
    context = browser.new_context(java_script_enabled=javascript)
    admin = Visitor(guarded, context.new_page(), created=[site["id"]])
    page = admin.page
    page.goto(f"{guarded.site_url}/admin/")
    page.get_by_label("Admin password, or token").fill("a wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not the admin’s password")
    page.get_by_label("Admin password, or token").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("link", name="Instances").click()
    expect(page.get_by_role("rowheader", name=re.compile(site["id"]))).to_be_visible()
    page.get_by_role("link", name="Safeguards").click()
    page.get_by_label("What is it about?").fill(site["url"])
    page.get_by_role("button", name="Look").click()
    page.get_by_role("button", name="Stop it", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("1 site was stopped.")
    guarded.until_removed(site["id"], timeout=20)
    assert "It was reported as abuse." in str(guarded.show(site["id"])["detail"])

    page.get_by_role("link", name="Safeguards").click()
    page.get_by_label("Why are launches paused?").fill("We move house.")
    page.get_by_role("button", name="Pause launches").click()
    expect(page.get_by_text("We move house.")).to_be_visible()
    with guarded.api() as api:
        refused = api.post("/instances", json={"distribution": "hello"})
    assert (refused.status_code, refused.json()["code"]) == (503, "launches_paused")
    page.get_by_role("button", name="Resume launches").click()
    expect(page.get_by_role("status")).to_have_text("Launches go on.")

    page.get_by_role("link", name="Record").click()
    expect(page.get_by_role("cell", name="pause launches")).to_have_count(1 + (not javascript))
    (session,) = [each for each in context.cookies() if each["name"] == "distros_admin"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    # As a thief who has kept it.
    context.add_cookies(
        [{"name": session["name"], "value": session["value"], "url": f"{guarded.site_url}/"}]
    )
    page.goto(f"{guarded.site_url}/admin/instances")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    admin.leave()
    assert admin.complaints == []


def test_the_admin_sees_what_each_site_uses_and_what_has_been(
    guarded: Stack, browser: Browser
) -> None:
    """Through the guard, from the real engine; and the links lead where this stack publishes."""
    site = guarded.launch("hello", name="measured")
    admin = Visitor(guarded, browser.new_context().new_page(), created=[site["id"]])
    page = admin.page
    page.goto(f"{guarded.site_url}/admin/")
    dashboard = f"http://127.0.0.1:{guarded.admin_port}/dashboard/"
    page.get_by_label("Admin password, or token").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    link = page.get_by_role("link", name="Traefik’s dashboard")
    assert link.get_attribute("href") == dashboard
    assert "Traefik" in httpx.get(dashboard, timeout=10, trust_env=False).text

    page.goto(f"{guarded.site_url}/admin/instances?sort=memory")
    row = page.get_by_role("row").filter(has_text=site["id"])
    expect(row.get_by_role("cell").nth(5)).to_contain_text("of 16 MiB", timeout=20_000)
    expect(row.get_by_role("cell").nth(4)).to_contain_text("%", timeout=20_000)  # by itself

    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("rowheader", name="hello")).to_be_visible()
    page.get_by_text("The numbers").first.click()
    expect(page.get_by_role("columnheader", name="hello")).to_be_visible()
    templates = guarded.get(f"{guarded.site_url}/portainer/templates.json").json()
    assert {"dokuwiki", "mediawiki"} <= {each["name"] for each in templates["templates"]}
    admin.leave()
    assert admin.complaints == []
