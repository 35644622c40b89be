"""The newcomer's path, walked to its end in every manner in which people come."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from orchestrator.domain import take_away
from orchestrator.engine.fake_host import Program

from .site import Site
from .test_accessibility import barriers
from .walking import Hand, Keyboard, Look, Mouse, Newcomer

pytestmark = pytest.mark.anyio

LARGE_TEXT = """addEventListener("DOMContentLoaded", () => {
  document.documentElement.style.fontSize = "200%";
});"""
WIDER_THAN_ITS_WINDOW = "document.documentElement.scrollWidth > innerWidth"
CUT_OFF = """[...document.querySelectorAll("button, .button, label, h1, h2")]
  .filter((one) => one.checkVisibility() && one.clientWidth > 0)
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.textContent.trim())"""
MOVING = "document.getAnimations().filter((one) => one.playState === 'running').length"


@pytest.fixture
async def packed(on: Site) -> Site:
    """DokuWiki's program packs a single file."""
    wanted = on.world.services.catalog.get("dokuwiki").take_away
    assert wanted is not None
    entry = tarfile.TarInfo("var/lib/dokuwiki/data/pages/start.txt").tobuf()
    program = Program([entry + bytes(2 * take_away.BLOCK)])
    on.world.engine.host.programs[take_away.command(wanted)] = program
    return on


async def walked(
    on: Site,
    folder: Path,
    look: Look,
    *,
    hand: Hand | None = None,
    scripts: bool = True,
    **how: Any,
) -> None:
    page = await on.visitor(scripts=scripts, locale="en-GB", accept_downloads=True, **how)
    await Newcomer(on, page, hand or Mouse(), look, scripts, how).walk(folder)


async def fits(page: Page, step: str) -> None:
    assert not await page.evaluate(WIDER_THAN_ITS_WINDOW), step
    assert await page.evaluate(CUT_OFF) == [], step


async def test_with_a_mouse_and_axe_finds_no_barrier_on_the_way(
    packed: Site, tmp_path: Path
) -> None:
    found: dict[str, list[str]] = {}

    async def look(page: Page, step: str) -> None:
        await fits(page, step)
        found[step] = await barriers(page, open_all=False)

    await walked(packed, tmp_path, look, bypass_csp=True)  # for axe alone
    assert len(found) == 10
    assert {step: each for step, each in found.items() if each} == {}


async def test_with_the_keyboard_alone(packed: Site, tmp_path: Path) -> None:
    await walked(packed, tmp_path, fits, hand=Keyboard())


async def test_without_javascript(packed: Site, tmp_path: Path) -> None:
    await walked(packed, tmp_path, fits, scripts=False)


async def test_without_javascript_and_with_the_keyboard_alone(packed: Site, tmp_path: Path) -> None:
    await walked(packed, tmp_path, fits, hand=Keyboard(), scripts=False)


@pytest.mark.parametrize("width", [320, 390])
async def test_on_a_phone(packed: Site, tmp_path: Path, width: int) -> None:
    viewport = {"width": width, "height": 740}
    await walked(packed, tmp_path, fits, viewport=viewport, has_touch=True, is_mobile=True)


async def test_zoomed_to_200_percent(packed: Site, tmp_path: Path) -> None:
    """A window of 1280 × 720, every pixel of which is four."""
    viewport = {"width": 640, "height": 360}
    await walked(packed, tmp_path, fits, viewport=viewport, device_scale_factor=2)


async def test_with_text_alone_at_200_percent(packed: Site, tmp_path: Path) -> None:
    page = await packed.visitor(locale="en-GB", accept_downloads=True)
    await page.context.add_init_script(LARGE_TEXT)
    await Newcomer(packed, page, Mouse(), fits).walk(tmp_path)


async def test_where_nothing_may_move(packed: Site, tmp_path: Path) -> None:
    async def look(page: Page, step: str) -> None:
        assert await page.evaluate(MOVING) == 0, step

    await walked(packed, tmp_path, look, reduced_motion="reduce")
