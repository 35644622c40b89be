"""The catalogue with a keyboard alone, from the top of the page to a site."""

import re

import pytest
from playwright.async_api import Page, expect

from .site import Site

pytestmark = pytest.mark.anyio

FOCUSED = "document.activeElement.id || document.activeElement.name"


async def tab_to(page: Page, wanted: str) -> list[str]:
    """What was passed on the way; ids, or names."""
    passed: list[str] = []
    while (focused := await page.evaluate(FOCUSED)) != wanted:
        passed.append(focused)
        assert len(passed) < 30, passed
        await page.keyboard.press("Tab")
    return passed


async def test_from_the_search_to_a_site(on: Site, scripted: bool) -> None:
    page = await on.visitor(scripts=scripted, locale="en-GB")
    await page.goto("/")
    await tab_to(page, "q")
    await page.keyboard.type("wikipedia")
    await page.keyboard.press("Enter")
    if scripted:  # what was found has the focus
        assert await page.evaluate(FOCUSED) == "pick-mediawiki"
    else:
        await page.wait_for_url("**/?q=wikipedia**")
        await tab_to(page, "pick-mediawiki")
    await expect(page.locator(".card:visible")).to_have_count(1)
    await expect(page.get_by_label("MediaWiki", exact=True)).to_be_checked()
    await tab_to(page, "name")
    await page.keyboard.type("By keys")
    async with page.context.expect_page() as opened:
        await page.keyboard.press("Enter")
    tab = await opened.value
    await tab.wait_for_url(re.compile(r"^http://by-keys-[a-z0-9]{12}\.sandbox"))


async def test_the_category_narrows_it_and_arrows_pick_among_what_is_left(on: Site) -> None:
    page = await on.visitor(locale="en-GB")
    await page.goto("/")
    await tab_to(page, "category")
    await page.keyboard.type("Wiki")
    await expect(page.locator(".card:visible")).to_have_count(2)
    await expect(page.get_by_role("status")).to_have_text("2 applications")
    passed = await tab_to(page, "pick-dokuwiki")
    assert passed == ["category"]  # nothing that is hidden lies between
    for _ in range(2):
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_label("MediaWiki", exact=True)).to_be_checked()
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_label("DokuWiki", exact=True)).to_be_checked()


async def test_what_has_the_focus_can_be_seen(on: Site) -> None:
    page = await on.visitor(locale="en-GB")
    await page.goto("/")
    seen = """(() => {
      const one = document.activeElement;
      const marked = one.type === "radio" ? one.closest(".card") : one;
      const box = marked.getBoundingClientRect();
      return getComputedStyle(marked).outlineStyle !== "none" && box.width > 0
        && box.bottom > 0 && box.top < innerHeight;
    })()"""
    await page.keyboard.press("Tab")
    for _ in range(12):
        assert await page.evaluate(seen), await page.evaluate("document.activeElement.outerHTML")
        await page.keyboard.press("Tab")
