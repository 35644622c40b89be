"""No page keeps anybody out: axe's rules for WCAG 2.2 AA, zoom, narrow windows, motion."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from orchestrator.domain.models import Caller, Instance
from orchestrator.service.readiness import Answer
from orchestrator.settings import ROOT

from .site import Site, site

pytestmark = pytest.mark.anyio

AXE = ROOT / ".state" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"locale": "en-GB"},
    "dark": {"locale": "en-GB", "color_scheme": "dark"},
    "german": {"locale": "de-DE"},
    "phone": {"locale": "en-GB", "viewport": {"width": 360, "height": 740}},
}


async def every_page(on: Site, page: Page) -> dict[str, str]:
    """Name → address, after everything that a visitor can meet has happened to them."""
    healthy = on.world.probe.site
    running = await on.create(page, "dokuwiki", "team-notes")
    expired = await on.create(page, "mediawiki", "old")
    await on.world.services.leases.delete(Caller(expired.owner), expired.id)
    await on.world.ended(expired.id)
    on.never_ready()
    crashed = await on.begin(page, "mediawiki", "broken")
    name = on.world.engine.name_of(crashed.id)
    await on.world.until(crashed.id, lambda now: now.stage == "checking")
    on.world.engine.host.say(name, "Fatal error")
    await on.world.engine.host.crash(name)
    await on.world.ended(crashed.id)
    await page.locator(".log pre").wait_for()  # the page has noticed by itself
    waiting = await on.begin(page, "mediawiki", "slow")
    on.world.probe.site = healthy_but(healthy, waiting)
    token = on.world.services.sharing.token
    port = on.url.rpartition(":")[2]
    return {
        "front page": "/",
        "search": "/?q=wiki&category=wiki",
        "nothing found": "/?q=nosuchthing",
        "distribution": "/d/dokuwiki",
        "missing distribution": "/d/drupal",
        "launch": "/launch/mediawiki",
        "sites": "/sites",
        "site": f"/instances/{running.id}",
        "terminal": f"/instances/{running.id}/terminal",
        "waiting": f"/instances/{waiting.id}?log",
        "ended": f"/instances/{expired.id}",
        "failed": f"/instances/{crashed.id}",
        "shared": f"/s/{token(running.id)}",
        "shared and over": f"/s/{token(expired.id)}",
        "nowhere": "/nowhere",
        "not live": f"http://{expired.id}.sandbox.localhost:{port}/",
    }


def healthy_but(healthy: Any, waiting: Instance) -> Any:
    def answer(instance_id: str) -> Answer:
        if instance_id == waiting.id:
            return Answer(500, marker=instance_id)
        found: Answer = healthy(instance_id)
        return found

    return answer


async def open_everything(page: Page) -> None:
    await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


async def barriers(page: Page, *, open_all: bool = True) -> list[str]:
    """What axe finds on the page that is shown."""
    if open_all:
        await open_everything(page)
    await page.add_script_tag(path=AXE)
    result = await page.evaluate(
        "(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", TAGS
    )
    assert len(result["passes"]) > 15, page.url  # it has looked
    return [
        f"{each['id']}: {each['help']} {[node['html'][:120] for node in each['nodes'][:3]]}"
        for each in result["violations"]
    ]


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_no_barrier_on_any_page(on: Site, look: str) -> None:
    page = await on.visitor(**LOOKS[look], bypass_csp=True)  # for axe alone, which is not ours
    found: dict[str, list[str]] = {}
    for name, address in (await every_page(on, page)).items():
        await page.goto(address)
        found[name] = await barriers(page)
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_no_barrier_where_nothing_can_be_created(tmp_path: Path, look: str) -> None:
    async with site(
        tmp_path, missing=["drupal"], launches_per_visitor=1, abuse_contact="a@b.example"
    ) as on:
        page = await on.visitor(**LOOKS[look], bypass_csp=True)
        await on.create(page, "dokuwiki", "team-notes")
        assert await barriers(await on.refused(page, "dokuwiki", "another")) == []
        await on.world.services.safety.pause("We are moving.", "admin")
        await on.world.lose_engine()
        for address in ("/", "/d/dokuwiki", "/launch/dokuwiki"):
            await page.goto(address)
            assert await page.get_by_role("status").filter(has_text="We are moving.").count() == 1
            assert await barriers(page) == []


@pytest.mark.parametrize("width", [320, 640])  # a phone's, and half of 1280: a zoom of 200 %
async def test_no_page_is_wider_than_its_window(on: Site, width: int) -> None:
    page = await on.visitor(viewport={"width": width, "height": 512}, locale="de-DE")
    for name, address in (await every_page(on, page)).items():
        await page.goto(address)
        await open_everything(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, name


async def test_nothing_moves_for_those_who_want_it_still(on: Site) -> None:
    page = await on.visitor(reduced_motion="reduce")
    for name, address in (await every_page(on, page)).items():
        await page.goto(address)
        moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
        assert await page.evaluate(moving) == 0, name


async def test_every_page_says_which_language_it_is_in(on: Site) -> None:
    page = await on.visitor(locale="de-AT")
    for name, address in (await every_page(on, page)).items():
        await page.goto(address)
        assert await page.locator("html").get_attribute("lang") == "de", name
