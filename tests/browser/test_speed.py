"""The front page with forty distributions, on a slow line and with nothing in the cache."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, Response

from tests.forty import forty, let_everything_be_known

from .marks import FORMS, best_of
from .site import Site, site

pytestmark = pytest.mark.anyio

SLOW_4G = {  # as browsers and Lighthouse call it
    "offline": False,
    "latency": 150,  # milliseconds
    "downloadThroughput": 1_600_000 / 8,  # bytes a second
    "uploadThroughput": 750_000 / 8,
}
FIRST_WINDOW = 10 * 1460  # bytes that a new connection may send before it must hear back
PAINTED = """new Promise((done) => new PerformanceObserver((list) => {
  const [entry] = list.getEntriesByName("first-contentful-paint");
  if (entry) done(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""
MOVED = """new Promise((done) => {
  const moved = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries())
      moved.push([value, ...sources.map(({ node }) => node?.outerHTML?.slice(0, 80))]);
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => setTimeout(() => done(moved), 200));
})"""


@pytest.fixture(scope="module")
async def large(
    anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("large")
    async with site(folder, catalog=forty(folder / "distributions"), pool_limit=0) as on:
        await let_everything_be_known(on.world)
        yield on


async def opened(on: Site, line: dict[str, Any] | None, **how: Any) -> tuple[Page, list[Response]]:
    """The front page, loaded by a new visitor."""
    page = await on.visitor(**how)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    if line:
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Network.enable")
        await devtools.send("Network.emulateNetworkConditions", line)
    await page.goto("/", wait_until="networkidle")
    return page, answers


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_first_paint_comes_within_a_second_on_a_slow_line(
    large: Site, width: int
) -> None:
    """For one of five new visitors: a busy machine paints late, whatever the page is."""
    times: list[int] = []
    while len(times) < 5 and min(times, default=1000) >= 1000:
        times.append(await first_paint(large, width))
    print(f"first contentful paint after {times} ms")
    assert min(times) < 1000


async def first_paint(on: Site, width: int) -> int:
    """Milliseconds, on a slow line and with nothing in the cache."""
    page, _ = await opened(on, SLOW_4G, viewport={"width": width, "height": 844})
    painted: float = await page.evaluate(PAINTED)
    return round(painted)


async def test_one_stylesheet_is_all_that_the_paint_waits_for(large: Site) -> None:
    page, _ = await opened(large, None)
    entries = await page.evaluate("JSON.stringify(performance.getEntriesByType('resource'))")
    found = [each["name"] for each in json.loads(entries) if blocks(each)]
    assert len(found) == 1 and found[0].endswith(".css")


def blocks(resource: dict[str, Any]) -> bool:
    return bool(resource["renderBlockingStatus"] == "blocking")


@pytest.mark.parametrize("width", [1280, 390])
async def test_nothing_moves_when_the_pictures_come(large: Site, width: int) -> None:
    page, _ = await opened(large, SLOW_4G, viewport={"width": width, "height": 844})
    for picture in await page.locator("img").all():
        await picture.scroll_into_view_if_needed()
    assert await page.evaluate(MOVED) == []


async def test_pictures_out_of_sight_are_not_loaded(large: Site) -> None:
    _, answers = await opened(large, None, viewport={"width": 390, "height": 844})
    pictures = [each for each in answers if "/screenshot/" in each.url]
    assert 0 < len(pictures) < 12


async def test_all_of_it_is_below_a_hundred_kilobytes(large: Site) -> None:
    """HTML, styles and modules, as they travel; pictures apart."""
    page, answers = await opened(large, None)
    sizes = {each.url: (await each.request.sizes())["responseBodySize"] for each in answers}
    light = sum(size for url, size in sizes.items() if "/screenshot/" not in url)
    print(f"{light} bytes, of which the page {sizes[f'{large.url}/']}")
    assert light < 100_000
    awaited = [size for url, size in sizes.items() if url == f"{large.url}/" or ".css" in url]
    assert len(awaited) == 2 and max(awaited) < FIRST_WINDOW
    assert len(await page.locator(".card").all()) == 40


@pytest.mark.parametrize("form", FORMS)
async def test_lighthouse_gives_95_or_more_in_all_four(large: Site, form: str) -> None:
    address = large.url.replace("distros.localhost", "localhost")  # which it takes for secure
    report = await asyncio.to_thread(best_of, address, form)
    print(report.marks, report.findings)
    assert report.good, report
