"""The queue: fair, honest about the wait, and it starts by itself."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.models import Caller, Instance, Reason, State
from orchestrator.domain.outages import CapacityReached
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import endings
from orchestrator.service import queue as queue_module
from orchestrator.service import waiting as waiting_module
from orchestrator.service.ledger import is_settled
from orchestrator.web.documents import shown_to
from tests.support import ADMIN, ANNA, BEN, HIDDEN, World, running

pytestmark = pytest.mark.anyio
CAROL = Caller("v-carol")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "LOOK_INTERVAL", 0.02)


async def queued(world: World, caller: Caller = ANNA, slug: str = "wiki") -> Instance:
    instance = await world.services.launcher.launch(caller, slug)
    assert instance.state is State.QUEUED
    return instance


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_beyond_the_capacity_a_launch_waits_and_starts_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1) as world:
        first = await world.launched(ANNA)
        waiting = await queued(world, BEN)
        await asyncio.sleep(0.1)
        assert world.services.waiting.position(waiting.id) == 1
        assert len(world.engine.host.containers) == 1
        await world.services.leases.delete(ANNA, first.id)
        ready = await world.until(waiting.id, lambda now: now.state is State.READY)
        assert ready.ready_at is not None
        assert ready.expires_at - ready.ready_at == timedelta(minutes=40)
        assert world.services.waiting.position(waiting.id) is None


async def test_waiting_costs_no_time_of_the_lease(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1) as world:
        await world.launched(ADMIN, lifetime=timedelta(hours=4))
        waiting = await queued(world, BEN)
        world.clock.advance(hours=3)
        await asyncio.sleep(0.1)
        assert world.services.waiting.position(waiting.id) == 1
        world.clock.advance(hours=2)  # now the first one's lease has ended
        ready = await world.until(waiting.id, lambda now: now.state is State.READY)
        assert ready.expires_at - world.clock() > timedelta(minutes=39)


async def test_it_is_fair_between_visitors(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1) as world:
        first = await world.launched(CAROL)
        annas = [await queued(world, ANNA) for _ in range(3)]
        bens = [await queued(world, BEN) for _ in range(2)]
        order = [annas[0], bens[0], annas[1], bens[1], annas[2]]
        positions = [world.services.waiting.position(one.id) for one in order]
        assert positions == [1, 2, 3, 4, 5]
        await world.services.leases.delete(CAROL, first.id)
        await world.until(annas[0].id, lambda now: now.state is State.READY)
        order = [bens[0], annas[1], bens[1], annas[2]]  # she has one by now
        assert [world.services.waiting.position(one.id) for one in order] == [1, 2, 3, 4]


async def test_the_wait_is_estimated_from_the_ends_that_are_known_and_the_starts_measured(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, capacity=1) as world:
        await world.launched(ANNA, lifetime=timedelta(minutes=2))
        first, second = await queued(world, BEN), await queued(world, CAROL)
        document = shown_to(world.services, BEN, first)
        assert document.queue_position == 1 and document.estimate is not None
        assert 118 < document.estimate.usual <= document.estimate.at_worst < 121
        behind = shown_to(world.services, CAROL, second)  # for the end of the first one's lease
        assert behind.queue_position == 2 and behind.estimate is not None
        assert 41 * 60 < behind.estimate.usual < 43 * 60


async def test_when_even_the_queue_is_full_it_says_when_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1, queue_limit=2) as world:
        await world.launched(ANNA)
        await queued(world, BEN)
        await queued(world, CAROL)
        with pytest.raises(CapacityReached) as refused:
            await world.services.launcher.launch(Caller("v-dan"), "wiki")
        assert refused.value.message == "The only place is taken and the queue is full."
        assert 39 * 60 < refused.value.retry_after <= 40 * 60


async def test_a_visitor_who_leaves_frees_the_place_and_others_move_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "LEFT_AFTER", 0.2)
    async with running(tmp_path, capacity=1) as world:
        await world.launched(CAROL)
        gone, stays = await queued(world, ANNA), await queued(world, BEN)
        with world.services.waiting.attended(stays.id):
            ended = await world.ended(gone.id)
            assert (ended.state, ended.reason) == (State.GONE, Reason.DELETED)
            assert ended.detail == "Nobody waited for it any longer."
            assert world.services.waiting.position(stays.id) == 1
            await asyncio.sleep(0.3)
            assert world.services.waiting.position(stays.id) == 1


async def test_asking_now_and_then_is_enough_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "LEFT_AFTER", 0.2)
    async with running(tmp_path, capacity=1) as world, world.client() as anna:
        await world.launched(CAROL)
        launched = await anna.post("/api/v1/instances", json={"distribution": "wiki"})
        path = f"/api/v1/instances/{launched.json()['id']}"
        for _ in range(8):
            await asyncio.sleep(0.05)
            assert (await anna.get(path)).json()["queue_position"] == 1
        page = await anna.get(f"/instances/{launched.json()['id']}")
        assert "number 1 in the queue" in page.text


async def test_an_admins_program_need_not_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "LEFT_AFTER", 0.05)
    async with running(tmp_path, capacity=1) as world:
        await world.launched(CAROL)
        waiting = await queued(world, ADMIN)
        await asyncio.sleep(0.3)
        assert world.services.waiting.position(waiting.id) == 1


async def test_who_cancels_while_waiting_is_gone_at_once_and_the_engine_never_hears(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, capacity=1) as world:
        await world.launched(ANNA)
        waiting = await queued(world, BEN)
        before = len(world.engine.calls)
        cancelled = await world.services.leases.delete(BEN, waiting.id)
        assert (cancelled.state, cancelled.reason) == (State.GONE, Reason.DELETED)
        assert world.engine.calls[before:] == []
        assert world.services.waiting.position(waiting.id) is None


async def test_a_restart_keeps_the_queue_and_its_order(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host, capacity=1) as world:
        first = await world.launched(CAROL)
        waiting = [await queued(world, caller) for caller in (ANNA, ANNA, BEN)]
    async with running(tmp_path, host=host, capacity=1) as world:
        positions = [world.services.waiting.position(one.id) for one in waiting]
        assert positions == [1, 3, 2]
        await world.services.leases.delete(CAROL, first.id)
        await world.until(waiting[0].id, lambda now: now.state is State.READY)


async def test_a_distribution_that_has_left_the_catalogue_does_not_hold_up_the_others(
    tmp_path: Path,
) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host, capacity=1) as world:
        first = await world.launched(CAROL)
        lost, other = await queued(world, ANNA), await queued(world, ADMIN, "hidden")
    async with running(tmp_path, host=host, capacity=1, catalog=Catalog([HIDDEN])) as world:
        await world.services.leases.delete(CAROL, first.id)
        ended = await world.ended(lost.id)
        assert (ended.state, ended.reason) == (State.FAILED, Reason.START_FAILED)
        assert (await world.until(other.id, lambda now: not now.state.pending)).state is State.READY


async def test_fifty_who_click_at_once_are_all_served_and_nobody_twice(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=50, queue_limit=0) as world:
        launches = [world.launched(Caller(f"v-{number}")) for number in range(50)]
        instances = await asyncio.gather(*launches)
        assert [one.state for one in instances] == [State.READY] * 50
        starts = [about for name, about in world.engine.calls if name == "start"]
        assert sorted(starts) == sorted(one.id for one in instances)


async def test_there_are_never_more_containers_than_places(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=5, queue_limit=100, start_concurrency=64) as world:
        most = 0
        world.engine.start_delay = 0.02

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, len(world.engine.host.containers))
                await asyncio.sleep(0.001)

        async def visit(number: int) -> None:
            caller = Caller(f"v-{number}")
            instance = await world.launched(caller)
            await world.services.leases.delete(caller, instance.id)
            await world.ended(instance.id)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*map(visit, range(40)))
        watching.cancel()
        assert most == 5


async def test_while_removals_are_behind_nobody_is_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "PATIENCE", 30.0)
    monkeypatch.setattr(endings, "BEHIND", 0.0)
    sites = [await world.launched() for _ in range(endings.REMOVALS_AT_ONCE + 1)]
    remove, released = world.engine.remove, asyncio.Event()

    async def slow(instance_id: str) -> None:
        await released.wait()
        await remove(instance_id)

    world.engine.remove = slow  # type: ignore[method-assign]
    for site in sites:
        await world.services.leases.delete(ANNA, site.id)
    await in_time(lambda: world.services.leases._endings.behind)
    waiting = await queued(world)
    await asyncio.sleep(5 * queue_module.LOOK_INTERVAL)
    assert world.services.ledger.live[waiting.id].state is State.QUEUED

    released.set()

    assert (await world.until(waiting.id, is_settled)).state is State.READY


async def test_an_event_stream_tells_the_position_and_the_estimate(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1) as world:
        await world.launched(ANNA, lifetime=timedelta(minutes=2))
        waiting = await queued(world, BEN)
        document = shown_to(world.services, BEN, waiting).model_dump(mode="json")
        assert document["queue_position"] == 1
        assert set(document["estimate"]) == {"usual", "at_worst"}
