"""What instances use is measured while somebody looks, a few at a time, and never for long."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.engine_errors import EngineError
from orchestrator.engine.base import Usage
from orchestrator.service import meter
from orchestrator.service.meter import Reading, reading

from ..support import ANNA, BEN, World, running

pytestmark = pytest.mark.anyio

THEN = datetime(2026, 11, 25, tzinfo=UTC)
MIB = 1024**2


def measured(world: World) -> int:
    return sum(call == "usage" for call, _ in world.engine.calls)


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0.01, 1e5))
def test_cpu_is_what_was_used_per_second_in_between(
    before: float, used: float, seconds: float
) -> None:
    later = THEN + timedelta(seconds=seconds)
    found = reading(Usage(THEN, before, 1, 9), Usage(later, before + used, 2, 9))
    assert (found.memory, found.memory_limit) == (2, 9)
    assert found.cpu is not None
    assert found.cpu == pytest.approx(used / seconds, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    "before",
    [None, Usage(THEN, 5.0, 1, 9), Usage(THEN + timedelta(seconds=1), 1.0, 1, 9)],
    ids=["first", "another container", "not later"],
)
def test_without_an_earlier_figure_of_the_same_container_cpu_is_not_known(
    before: Usage | None,
) -> None:
    assert reading(before, Usage(THEN + timedelta(seconds=1), 4.0, 2, 9)) == Reading(None, 2, 9)


async def test_while_nobody_looks_nothing_is_measured(world: World) -> None:
    await world.launched()
    assert measured(world) == 0


async def test_a_look_has_them_measured_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "INTERVAL", 0.02)
    site = await world.launched()
    container = world.engine.host.containers[world.engine.name_of(site.id)]
    assert world.services.meter.look() == {}
    await in_time(lambda: site.id in world.services.meter.look())
    container.memory = 7 * MIB
    container.cpu += 3.0
    await in_time(lambda: (world.services.meter.look()[site.id].cpu or 0) > 0)
    assert world.services.meter.look()[site.id].memory == 7 * MIB
    assert world.services.meter.look()[site.id].memory_limit == 256 * MIB


async def test_it_stops_soon_after_the_last_look_and_begins_with_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "INTERVAL", 0.01)
    monkeypatch.setattr(meter, "WATCHED", 0.05)
    site = await world.launched()
    world.services.meter.look()
    await in_time(lambda: measured(world) > 0)
    monkeypatch.setattr(meter, "INTERVAL", 0.0)
    tasks = {task.get_name(): task for task in asyncio.all_tasks()}
    await asyncio.wait_for(tasks["meter"], 5)
    count = measured(world)
    assert world.services.meter.look() == {}  # what is old is forgotten
    await in_time(lambda: measured(world) > count)
    assert site.id in world.services.ledger.live


async def test_a_removal_puts_a_round_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "INTERVAL", 0.01)
    await world.launched(ANNA)
    leaving = await world.launched(BEN)
    world.services.meter.look()
    await in_time(lambda: measured(world) > 0)
    world.engine.fail_next("remove", EngineError("still in use"), times=1000)
    await world.services.leases.delete(BEN, leaving.id)
    await world.services.meter.measure()  # whatever was under way is over after it
    count = measured(world)
    await asyncio.sleep(0.2)  # rounds' worth of time
    assert measured(world) == count
    monkeypatch.setattr(meter, "PATIENCE", 0.0)
    await in_time(lambda: measured(world) > count)


async def test_few_are_asked_for_at_once_and_a_silent_engine_ends_the_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "AT_ONCE", 2)
    monkeypatch.setattr(meter, "DEADLINE", 0.2)
    for _ in range(5):
        await world.launched()
    asked: list[str] = []

    async def silent(instance_id: str) -> None:
        asked.append(instance_id)
        await asyncio.Event().wait()

    monkeypatch.setattr(world.engine, "usage", silent)
    await asyncio.wait_for(world.services.meter.measure(), 5)
    assert len(asked) == 2


async def test_a_round_that_is_cut_off_is_followed_by_those_it_has_not_reached(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "AT_ONCE", 1)
    monkeypatch.setattr(meter, "DEADLINE", 0.3)
    sites = [await world.launched() for _ in range(4)]
    usage = world.engine.usage

    async def slow(instance_id: str) -> Usage | None:
        await asyncio.sleep(0.1)
        return await usage(instance_id)

    monkeypatch.setattr(world.engine, "usage", slow)
    for _ in range(2):
        await world.services.meter.measure()
    assert world.services.meter.look().keys() == {each.id for each in sites}


async def test_one_that_cannot_be_measured_hides_none_of_the_others(world: World) -> None:
    first, second = await world.launched(ANNA), await world.launched(BEN)
    world.engine.fail_next("usage", EngineError("no such cgroup"))
    await world.services.meter.measure()
    assert world.services.meter.look().keys() == {second.id}
    await world.services.meter.measure()
    await world.engine.host.crash(world.engine.name_of(second.id))
    await world.ended(second.id)
    await world.services.meter.measure()
    assert world.services.meter.look().keys() == {first.id}


async def test_what_starts_is_left_alone_and_an_engine_that_is_away_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as world:
        world.engine.start_delay = 60
        await world.services.launcher.launch(ANNA, "wiki")
        await in_time(lambda: "start" in dict(world.engine.calls))
        await world.services.meter.measure()
        assert measured(world) == 0
        world.engine.start_delay = 0
        await world.launched(BEN)
        await world.lose_engine()
        monkeypatch.setattr(meter, "INTERVAL", 0.01)
        monkeypatch.setattr(meter, "WATCHED", 0.05)
        world.services.meter.look()
        tasks = {task.get_name(): task for task in asyncio.all_tasks()}
        await asyncio.wait_for(tasks["meter"], 5)
        assert measured(world) == 0


async def test_a_launch_under_way_puts_a_round_off_but_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "INTERVAL", 0.01)
    await world.launched(ANNA)
    world.services.meter.look()
    await in_time(lambda: measured(world) > 0)
    world.engine.start_delay = 60
    slow = await world.services.launcher.launch(BEN, "wiki")
    await in_time(lambda: ("start", slow.id) in world.engine.calls)
    await world.services.meter.measure()  # whatever was under way is over after it
    count = measured(world)
    for _ in range(20):  # rounds' worth of time
        await asyncio.sleep(0.01)
        world.services.meter.look()
    assert measured(world) == count
    monkeypatch.setattr(meter, "PATIENCE", 0.0)
    await in_time(lambda: measured(world) > count)
