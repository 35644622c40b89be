"""What the admin's pages show of the past, of the places, and of where else to look."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.history import Count, What
from orchestrator.domain.models import Caller
from orchestrator.engine.fake_host import FakeHost
from tests.support import ADMIN_TOKEN, ANNA, BEN, Browser, World, running

pytestmark = pytest.mark.anyio


def words(text: str) -> str:
    main = text.partition("<main")[2].partition("</main>")[0]
    plain = html.unescape(" ".join(re.sub(r"<[^>]+>", " ", main).split()))
    return plain.replace("\u00a0", " ")


async def page(browser: Browser, path: str) -> str:
    response = await browser.get(f"/admin/{path}")
    assert response.status_code == 200, response.text
    return response.text


@pytest.fixture
async def admin(world: World) -> AsyncIterator[Browser]:
    async with signed_in(world) as browser:
        yield browser


@asynccontextmanager
async def signed_in(world: World) -> AsyncIterator[Browser]:
    async with world.client() as browser:
        await browser.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        yield browser


# -- history -----------------------------------------------------------------------------------


async def test_without_a_past_each_picture_says_so(admin: Browser) -> None:
    shown = words(await page(admin, "history"))
    for said in (
        "Nobody has launched anything in these days.",
        "Nothing has ended in these days.",
        "No start has succeeded yet.",
        "None was tried in these days.",
    ):
        assert said in shown


async def test_launches_and_endings_are_drawn_and_told(world: World, admin: Browser) -> None:
    today = world.services.ledger.now().date()
    for slug, n in (("wiki", 3), ("<shop>", 40)):
        yesterday = today - timedelta(days=1)
        await world.services.ledger.store.count(Count(yesterday, slug, What.LAUNCH, "cold", n))
    site = await world.launched(ANNA)
    await world.services.leases.delete(ANNA, site.id)
    await world.ended(site.id)
    raw = await page(admin, "history")
    shown = words(raw)
    assert "44 launches" in shown and "<shop>" not in raw and "&lt;shop&gt;" in raw
    day = f"{today.day} {today:%B}"
    assert f"{day} 0 1 1" in shown  # of the table: shop, wiki, all
    assert "deleted 1" in shown
    assert len(re.findall(r'<rect class="s[01]"', raw)) == 3 + 2  # pieces, and the legend


@pytest.mark.parametrize(
    ("query", "days"), [("", 14), ("?days=30", 30), ("?days=90", 90), ("?days=9999", 14)]
)
async def test_it_goes_back_as_far_as_is_asked_for(
    world: World, admin: Browser, query: str, days: int
) -> None:
    await world.launched()
    raw = await page(admin, f"history{query}")
    assert raw.count('<rect class="back"') == days
    assert f'href="?days={days}" aria-current="true"' in raw


async def test_starts_are_told_by_where_they_came_from(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.launched(ANNA)
        async with signed_in(world) as browser:
            shown = words(await page(browser, "history"))
    assert re.search(r"wiki cold 1 (\d\.\d\d s ){6}", shown)


async def test_what_was_forgotten_still_counts(world: World) -> None:
    site = await world.launched(ANNA)
    await world.services.leases.delete(ANNA, site.id)
    await world.ended(site.id)
    world.clock.advance(days=8)
    store = world.services.ledger.store
    assert await store.forget(ended_before=world.services.ledger.now() - timedelta(days=7)) == 1
    async with signed_in(world) as browser:
        shown = words(await page(browser, "history"))
    assert "1 launch " in shown and "deleted 1" in shown
    assert "No start has succeeded yet." in shown


async def test_synthetic_launches_are_counted_by_day(tmp_path: Path) -> None:
    async with running(tmp_path, synthetic_distribution="hidden") as world:
        await world.services.synthetic.run()
        world.engine.fail_next("start", EngineError("no space"))
        await world.services.synthetic.run()
        today = world.services.ledger.now().date()
        found = await world.services.ledger.store.counts(today)
        assert {(each.what, each.key, each.n) for each in found} == {
            (What.SYNTHETIC, "worked", 1),
            (What.SYNTHETIC, "failed", 1),
        }
        async with signed_in(world) as browser:
            raw = await page(browser, "history")
    assert "1 worked" in words(raw) and "1 failed" in words(raw)
    strip = raw.partition('class="drawing strip"')[2].partition("</svg>")[0]
    assert re.findall(r'rect class="(\w+)"', strip) == ["none"] * 13 + ["failed"]


# -- capacity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nothing: the next launch begins at once."),
        ({"capacity": 1}, "All places are taken; DISTROS_CAPACITY says how many there are."),
        ({"memory_reserve": 2**50}, "The memory is almost used up"),
    ],
)
async def test_it_says_what_limits_the_next_launch(
    tmp_path: Path, changes: dict[str, int], said: str
) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:  # admitted while there was room
        await world.launched(ANNA)
    later = running(tmp_path, host=host, **changes)  # type: ignore[arg-type]
    async with later as world, signed_in(world) as browser:
        await world.services.pressure.check()
        assert said in words(await page(browser, ""))


async def test_a_pause_is_the_strongest_limit(world: World, admin: Browser) -> None:
    await world.services.safety.pause("We move.", "admin")
    shown = words(await page(admin, ""))
    assert "What limits it now Launches are paused, until you resume them." in shown


async def test_what_sites_use_is_told_once_it_was_measured(world: World, admin: Browser) -> None:
    site, other = await world.launched(ANNA), await world.launched(BEN)
    await page(admin, "instances")  # a look has it measured, but nobody waits for it
    world.engine.host.containers[world.engine.name_of(site.id)].memory = 300 * 1024**2
    await world.services.meter.measure()
    await world.services.meter.measure()
    shown = words(await page(admin, "instances?sort=memory"))
    assert "300 MiB of 256 MiB" in shown and "1 MiB of 256 MiB" in shown
    assert shown.index(site.id) < shown.index(other.id)
    assert "2 measured sites use 0.0 % of a core and 301 MiB." in words(await page(admin, ""))
    target = words(await page(admin, f"target?kind=instance&key={site.id}"))
    assert "0.0 % of a core, 300 MiB of 256 MiB of memory" in target


async def test_while_the_engine_is_away_the_table_is_there_without_figures(
    world: World, admin: Browser
) -> None:
    site = await world.launched(ANNA)
    await world.lose_engine()
    shown = words(await page(admin, "instances"))
    assert site.id in shown and "not measured yet" in shown


# -- elsewhere ---------------------------------------------------------------------------------


async def test_it_leads_to_the_dashboards_and_says_how_one_comes_there(admin: Browser) -> None:
    raw = await page(admin, "")
    assert 'href="http://127.0.0.1:9989/dashboard/" rel="noopener noreferrer"' in raw
    assert 'href="http://127.0.0.1:9988/"' in raw
    assert 'href="/portainer/templates.json"' in raw
    tunnel = "ssh -L 9989:127.0.0.1:9989 -L 9988:127.0.0.1:9988 distros.localhost"
    assert tunnel in words(raw)


async def test_a_dashboard_elsewhere_needs_no_tunnel_and_one_without_an_address_no_link(
    tmp_path: Path,
) -> None:
    changes = {"dashboard_url": "https://traefik.corp.example/", "portainer_url": ""}
    async with running(tmp_path, **changes) as world, signed_in(world) as browser:  # type: ignore[arg-type]
        raw = await page(browser, "")
    assert 'href="https://traefik.corp.example/"' in raw
    assert ":9988" not in raw and "ssh -L" not in raw


async def test_nothing_of_it_is_for_who_is_not_signed_in(world: World) -> None:
    await world.launched(Caller("v-x"))
    async with world.client() as stranger:
        for path in ("/admin/history", "/admin/instances?sort=cpu"):
            response = await stranger.get(path)
            assert (response.status_code, response.headers["location"]) == (303, "/admin/")
        assert "9989" not in (await stranger.get("/admin/")).text
    assert not [call for call, _ in world.engine.calls if call == "usage"]
