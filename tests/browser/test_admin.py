"""The admin's pages in a real Chromium: live, without JavaScript, and open to everybody."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from orchestrator.domain.models import Caller, Instance

from .busy import busy, measured, pages, sign_in
from .site import Site, site
from .test_accessibility import LOOKS, barriers, open_everything

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def office(
    anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Site, list[Instance]]]:
    async with site(
        tmp_path_factory.mktemp("site"),
        captcha="none",
        synthetic_distribution="hello",
        pool_limit=0,
        capacity=100,
    ) as on:
        yield on, await busy(on)


async def admin(on: Site, **how: Any) -> Page:
    page = await on.visitor(**how)
    await sign_in(page)
    return page


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_no_barrier_on_any_page_of_the_admins(
    office: tuple[Site, list[Instance]], look: str
) -> None:
    on, sites = office
    page = await on.visitor(**LOOKS[look], bypass_csp=True)
    await page.goto("/admin/")
    found = {"sign-in": await barriers(page)}
    await sign_in(page)
    for name, address in pages(sites).items():
        await page.goto(address)
        found[name] = await barriers(page)
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("width", [320, 640])
async def test_none_of_them_is_wider_than_its_window(
    office: tuple[Site, list[Instance]], width: int
) -> None:
    on, sites = office
    page = await admin(on, viewport={"width": width, "height": 512}, locale="de-DE")
    for name, address in pages(sites).items():
        await page.goto(address)
        await open_everything(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, name


async def test_the_table_lives_and_what_had_the_focus_keeps_it(tmp_path: Path) -> None:
    async with site(tmp_path, captcha="none", pool_limit=0) as on:
        first = await on.world.launched(Caller("v-anna"), "dokuwiki", name="notes")
        page = await admin(on)
        await page.clock.install()
        await page.goto("/admin/instances")
        log = page.locator(f"#log-{first.id}")
        await log.focus()
        second = await on.world.launched(Caller("v-ben"), "dokuwiki")
        await page.clock.run_for(6_000)
        await expect(page.locator(f"#log-{second.id}")).to_be_visible()
        await expect(log).to_be_focused()

        await page.get_by_role("link", name="dokuwiki").first.focus()  # without an id
        await on.world.services.leases.delete(Caller("v-ben"), second.id)
        await on.world.ended(second.id)
        await page.clock.run_for(11_000)
        await expect(page.get_by_role("link", name="dokuwiki").first).to_be_focused()
        await expect(page.locator(f"#log-{second.id}")).to_be_visible()  # for now
        await log.focus()
        await page.clock.run_for(6_000)
        await expect(page.locator(f"#log-{second.id}")).to_have_count(0)

        await page.locator("#live-switch").click()
        third = await on.world.launched(Caller("v-carl"), "dokuwiki")
        await page.clock.run_for(20_000)
        await expect(page.locator("#live-switch")).to_have_text("Go on updating")
        assert await page.locator(f"#log-{third.id}").count() == 0

        await page.locator("#live-switch").click()
        await expect(page.locator(f"#log-{third.id}")).to_be_visible()
        on.world.clock.advance(hours=13)  # the session is over
        await page.clock.run_for(6_000)
        await expect(page.locator("#secret")).to_be_visible()


async def test_without_javascript_it_is_sorted_by_its_headings_and_filtered(
    office: tuple[Site, list[Instance]],
) -> None:
    on, sites = office
    await measured(on, sites)
    page = await admin(on, java_script_enabled=False)
    await page.goto("/admin/instances")
    rows = page.locator(".instances tbody tr")

    async def order() -> list[int]:
        texts = await rows.all_inner_texts()
        return [next(at for at, one in enumerate(sites) if one.id in text) for text in texts]

    assert await order() == [3, 2, 1, 0]  # the newest first
    await page.get_by_role("link", name="Memory").click()
    assert await order() == [3, 2, 1, 0]  # the largest first
    await page.get_by_role("link", name="Memory").click()
    assert await order() == [0, 1, 2, 3]
    heading = page.get_by_role("columnheader", name="Memory")
    assert await heading.get_attribute("aria-sort") == "ascending"
    await page.get_by_role("link", name="CPU").click()
    assert await order() == [3, 2, 1, 0]
    await page.get_by_label("Distribution").select_option("mediawiki")
    await page.get_by_role("button", name="Filter").click()
    assert await order() == [3, 1]
    await expect(page.get_by_text("Look again")).to_be_visible()


async def test_each_picture_has_words_and_its_numbers(
    office: tuple[Site, list[Instance]],
) -> None:
    on, _ = office
    page = await admin(on, java_script_enabled=False)
    await page.goto("/admin/history?days=30")
    pictures = page.get_by_role("img")
    assert await pictures.count() >= 3
    for picture in await pictures.all():
        assert len(await picture.get_attribute("aria-label") or "") > 20
    await page.get_by_text("The numbers").first.click()
    await expect(page.get_by_role("rowheader", name="November").first).to_be_visible()
