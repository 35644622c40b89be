"""The synthetic launch: it tries the whole path, takes nothing from visitors, leaves nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.models import SYNTHETIC, Reason, State
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import synthetic
from orchestrator.service.readiness import Answer
from tests.support import ANNA, World, running, with_pool

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tried(tmp_path: Path) -> AsyncIterator[World]:
    """A service that tries itself with the hidden distribution, when it is told to."""
    async with running(tmp_path, synthetic_distribution="hidden", capacity=3) as world:
        yield world


async def check_of(world: World) -> str:
    checks = {check.name: check.error for check in await world.services.checkup.checks()}
    error = checks["launch"]
    return error.message if error else "ok"


async def test_it_goes_the_whole_path_and_leaves_nothing(tried: World) -> None:
    run = await tried.services.synthetic.run()

    assert (run.outcome, run.why) == ("worked", "")
    assert list(run.seconds) == ["launch", "ready", "page", "gone"]
    assert tried.engine.host.containers == {}
    assert tried.services.ledger.live == {}
    record = tried.services.synthetic.record
    assert (record.works, record.since, record.latest) == (True, run.at, run)
    assert len(tried.probe.asked) >= 2  # by readiness, and once more as a visitor


async def test_it_counts_neither_as_a_launch_nor_as_a_site_nor_as_demand(tried: World) -> None:
    tried.engine.start_delay = 0.1
    running_now = asyncio.create_task(tried.services.synthetic.run())
    async with tried.admin() as admin:
        while not tried.services.ledger.counts().placed:
            await asyncio.sleep(0.01)
        assert (await admin.get("/api/v1/instances")).json() == {"instances": []}
        assert "0 sites running" in (await admin.get("/")).text
        assert (await admin.get("/api/v1/stats")).json()["live"] == 0
        await running_now
        stats = (await admin.get("/api/v1/stats")).json()
    assert (stats["launches"], stats["endings"], stats["by_state"]) == ({}, {}, {})
    assert tried.services.pace.rate("hidden") == 0
    assert await tried.services.ledger.store.arrivals(tried.clock().replace(year=2000)) == ()


@pytest.mark.usefixtures("hurried_pool")
async def test_it_is_started_cold_though_the_pool_has_one(tmp_path: Path) -> None:
    catalog = with_pool(1, 1)
    async with running(tmp_path, catalog=catalog, synthetic_distribution="wiki") as world:
        while not any(each.state is State.READY for each in world.services.pool.members()):
            await asyncio.sleep(0.01)
        (pooled,) = world.services.pool.members()

        assert (await world.services.synthetic.run()).outcome == "worked"

        assert world.services.pool.members() == [pooled]
        assert [call for call, _ in world.engine.calls].count("start") == 2


async def test_one_failure_is_shown_and_the_second_fails_readiness(tried: World) -> None:
    await tried.services.synthetic.run()
    tried.engine.fail_next("start", EngineError("no space left on device"), times=2)
    record = tried.services.synthetic.record

    first = await tried.services.synthetic.run()
    assert (first.outcome, first.step, first.why) == ("failed", "ready", "no space left on device")
    assert (record.works, record.since) == (False, first.at)
    assert await check_of(tried) == "ok"

    await tried.services.synthetic.run()
    assert record.since == first.at
    assert await check_of(tried) == (
        f"No synthetic launch has worked since {first.at:%Y-%m-%d %H:%M} UTC; "
        "the last: no space left on device"
    )

    third = await tried.services.synthetic.run()
    assert (third.outcome, record.works, record.since) == ("worked", True, third.at)
    assert await check_of(tried) == "ok"


async def test_an_engine_that_is_away_is_a_failure(tried: World) -> None:
    tried.engine.fail_next("prepare", EngineUnavailable("The Docker Engine cannot be reached."))
    run = await tried.services.synthetic.run()
    assert (run.outcome, run.step, run.why) == (
        "failed",
        "launch",
        "The Docker Engine cannot be reached.",
    )


async def test_a_page_that_breaks_after_readiness_is_a_failure(tried: World) -> None:
    healthy = tried.probe.site

    def breaks(instance_id: str) -> Answer:
        tried.probe.site = lambda _: Answer(500, marker=instance_id)
        return healthy(instance_id)

    tried.probe.site = breaks
    run = await tried.services.synthetic.run()
    assert (run.outcome, run.step) == ("failed", "page")
    assert run.why == "/start answered with status 500 instead of 200."
    while tried.services.ledger.live:
        await asyncio.sleep(0.01)
    assert tried.engine.host.containers == {}


async def test_a_removal_that_hangs_is_a_failure(
    tried: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "REMOVAL_DEADLINE", 0.1)
    tried.engine.fail_next("remove", EngineError("device busy"), times=5)
    run = await tried.services.synthetic.run()
    assert (run.outcome, run.step, run.why) == ("failed", "gone", "Not removed within 0.1 s.")


async def test_it_takes_no_visitors_place(tried: World) -> None:
    sites = [await tried.launched() for _ in range(3)]
    run = await tried.services.synthetic.run()
    assert (run.outcome, run.why) == ("skipped", "No place is free.")
    assert tried.services.synthetic.record.works is None

    queued = await tried.services.launcher.launch(ANNA, "wiki")
    run = await tried.services.synthetic.run()
    assert (run.outcome, run.why) == ("skipped", "Visitors queue.")
    await tried.services.leases.delete(ANNA, sites[0].id)
    await tried.until(queued.id, lambda now: now.state is State.READY)


async def test_it_gives_way_to_a_visitor_who_needs_its_place(tried: World) -> None:
    for _ in range(2):
        await tried.launched()
    tried.probe.site = lambda _: Answer(503)  # it would be long until it is ready
    trying = asyncio.create_task(tried.services.synthetic.run())
    while tried.services.ledger.counts().placed < 3:
        await asyncio.sleep(0.01)
    tried.probe.site = lambda instance_id: Answer(200, marker=instance_id, text="welcome")
    container = next(iter(tried.services.ledger.of(SYNTHETIC)))
    tried.engine.host.containers[tried.engine.name_of(container.id)].running = False

    visitor = await tried.launched()

    assert visitor.state is State.READY
    run = await trying
    assert (run.outcome, run.why) == ("skipped", "A visitor needed its place.")


async def test_it_gives_way_to_a_visitor_who_has_waited_for_a_turn_since_before(
    tmp_path: Path,
) -> None:
    """Places were free when the visitor came; the last one is the synthetic launch's."""
    wanted: dict[str, Any] = {"synthetic_distribution": "hidden", "capacity": 1}
    async with running(tmp_path, **wanted) as world:
        tried = world.services.synthetic
        world.probe.site = lambda _: Answer(503)  # it would be long until it is ready
        trying = asyncio.create_task(tried.run())
        while not world.services.ledger.of(SYNTHETIC):
            await asyncio.sleep(0)
        assert world.services.ledger.counts().placed == 0
        visitor = await world.services.launcher.launch(ANNA, "wiki")

        async with asyncio.timeout(3):
            assert (await trying).why == "A visitor needed its place."
        await world.services.leases.delete(ANNA, visitor.id)


@pytest.mark.parametrize(
    ("slug", "why"),
    [
        ("nothing", "There is no distribution “nothing”."),
        ("missing", "The image of “missing” is not on this server yet."),
    ],
)
async def test_what_cannot_be_launched_here_is_skipped(tmp_path: Path, slug: str, why: str) -> None:
    async with running(tmp_path, synthetic_distribution=slug) as world:
        run = await world.services.synthetic.run()
        assert (run.outcome, run.why) == ("skipped", why)
        assert await check_of(world) == "ok"


async def test_what_a_crash_has_left_is_deleted_before_the_next(tmp_path: Path) -> None:
    host = FakeHost()
    how: dict[str, Any] = {"synthetic_distribution": "hidden", "host": host}
    async with running(tmp_path, **how) as world:
        world.engine.start_delay = 0.1
        trying = asyncio.create_task(world.services.synthetic.run())
        while not host.containers:
            await asyncio.sleep(0.01)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
    async with running(tmp_path, **how) as world:
        assert (await world.services.synthetic.run()).outcome == "worked"
        while world.services.ledger.live:
            await asyncio.sleep(0.01)
        assert host.containers == {}
        ends = {row.reason for row in await world.services.ledger.store.list(owner=SYNTHETIC)}
        assert ends == {Reason.DELETED}


async def test_it_is_tried_at_its_interval_and_never_where_that_is_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "FIRST_AFTER", 0.01)
    how: dict[str, Any] = {"synthetic_distribution": "hidden"}
    async with running(tmp_path, **how, synthetic_interval="0s") as world:
        assert "synthetic launch" not in world.services.background.loops
    async with running(tmp_path, **how) as world:
        while not world.services.synthetic.record.runs:
            await asyncio.sleep(0.01)
