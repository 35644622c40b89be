"""Nothing outlives its lease, and every ending is told truthfully."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.errors import NotRenewable, UnknownInstance
from orchestrator.domain.models import Instance, Reason, State
from orchestrator.engine.fake_host import FakeContainer, FakeHost
from orchestrator.engine.routing import owner_labels
from tests.support import ADMIN, ANNA, BEN, Clock, World, running

pytestmark = pytest.mark.anyio


def outcome(instance: Instance) -> tuple[State, Reason | None]:
    return instance.state, instance.reason


async def test_a_lease_ends_within_a_second_of_its_deadline(world: World) -> None:
    instance = await world.launched(ADMIN, lifetime=timedelta(seconds=10))
    world.clock.advance(seconds=8.5)
    ended = await world.ended(instance.id)
    assert outcome(ended) == (State.GONE, Reason.EXPIRED)
    assert ended.ended_at is not None
    assert timedelta(0) <= ended.ended_at - instance.expires_at < timedelta(seconds=1)
    assert world.engine.host.containers == {}


async def test_an_expiry_needs_no_event(world: World) -> None:
    instance = await world.launched()
    await world.engine.host.cut_streams()
    world.engine.fail_next("list", EngineError("not now"), times=50)
    world.clock.advance(minutes=41)
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.EXPIRED)


async def test_what_expired_while_the_service_was_down_is_removed_at_once(tmp_path: Path) -> None:
    host, clock = FakeHost(), Clock()
    async with running(tmp_path, host=host, clock=clock) as world:
        instance = await world.launched()
    clock.advance(minutes=42)
    async with running(tmp_path, host=host, clock=clock) as world, asyncio.timeout(2):
        assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.EXPIRED)
    assert host.containers == {}


async def test_a_removal_that_a_stopped_service_left_half_way_is_finished(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        instance = await world.launched()
        world.engine.fail_next("remove", EngineError("busy"), times=1000)
        await world.services.leases.delete(ANNA, instance.id)
    assert len(host.containers) == 1
    async with running(tmp_path, host=host) as world:
        assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.DELETED)
    assert host.containers == {}


async def test_it_keeps_retrying_when_a_removal_fails_and_holds_the_place(world: World) -> None:
    instance = await world.launched()
    world.engine.fail_next("remove", EngineError("device or resource busy"), times=2)
    stopping = await world.services.leases.delete(ANNA, instance.id)
    assert stopping.state is State.STOPPING
    assert world.services.ledger.counts().placed == 1
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.DELETED)
    assert [name for name, _ in world.engine.calls].count("remove") == 3


async def test_a_crash_is_recognised_and_its_log_kept(world: World) -> None:
    instance = await world.launched()
    name = world.engine.name_of(instance.id)
    world.engine.host.say(name, "segmentation fault")
    await world.engine.host.crash(name, exit_code=139)
    ended = await world.ended(instance.id)
    assert outcome(ended) == (State.GONE, Reason.CRASHED)
    assert ended.detail == "The site's main process ended with exit code 139."
    assert await world.services.leases.log(ANNA, instance.id) == "segmentation fault\n"
    assert world.engine.host.containers == {}


async def test_running_out_of_memory_is_told_as_such(world: World) -> None:
    instance = await world.launched()
    await world.engine.host.crash(
        world.engine.name_of(instance.id), exit_code=137, out_of_memory=True
    )
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.OUT_OF_MEMORY)


async def test_a_crash_during_a_disconnect_is_found_by_the_next_list(world: World) -> None:
    instance = await world.launched()
    world.engine.fail_next("list", EngineError("not now"), times=3)
    await world.engine.host.cut_streams()
    await world.engine.host.crash(world.engine.name_of(instance.id))
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.CRASHED)


async def test_a_removal_from_outside_is_no_crash_though_it_kills_first(world: World) -> None:
    instance = await world.launched()
    name = world.engine.name_of(instance.id)
    await world.engine.host.crash(name, exit_code=137)
    await asyncio.sleep(0.1)
    await world.engine.host.remove_outside(name)
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.REMOVED_OUTSIDE)


async def test_what_was_killed_and_stays_has_crashed(world: World) -> None:
    instance = await world.launched()
    await world.engine.host.crash(world.engine.name_of(instance.id), exit_code=137)
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.CRASHED)


async def test_a_container_removed_by_somebody_else_is_noticed(world: World) -> None:
    instance = await world.launched()
    await world.engine.host.remove_outside(world.engine.name_of(instance.id))
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.REMOVED_OUTSIDE)


def lost_container(world_stack: str, instance_id: str, expires_at: datetime) -> FakeContainer:
    labels = owner_labels(
        world_stack, instance_id, "wiki", created_at=datetime.now(UTC), expires_at=expires_at
    )
    return FakeContainer(labels=labels, running=True)


async def test_labels_alone_are_enough_to_reap_after_the_database_is_lost(tmp_path: Path) -> None:
    host = FakeHost()
    soon = datetime.now(UTC) + timedelta(seconds=1)
    host.containers["distros-abcdefghijkm"] = lost_container("distros", "abcdefghijkm", soon)
    host.containers["distros-mkjihgfedcba"] = lost_container(
        "distros", "mkjihgfedcba", soon - timedelta(hours=1)
    )
    async with running(tmp_path, host=host) as world:
        async with asyncio.timeout(3):
            for instance_id in ("abcdefghijkm", "mkjihgfedcba"):
                ended = await poll_ended(world, instance_id)
                assert outcome(ended) == (State.GONE, Reason.EXPIRED)
        assert host.containers == {}


async def poll_ended(world: World, instance_id: str) -> Instance:
    with world.services.ledger.watch(instance_id) as watcher:
        while True:
            row = await world.services.ledger.store.get(instance_id)
            if row is not None and row.state.ended:
                return row
            await watcher.next()


async def test_a_container_whose_row_has_ended_is_removed(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        instance = await world.launched()
        container = host.containers[world.engine.name_of(instance.id)]
        await world.services.leases.delete(ANNA, instance.id)
        await world.ended(instance.id)
    host.containers["distros-" + instance.id] = container
    async with running(tmp_path, host=host) as world, asyncio.timeout(2):
        while host.containers:
            await asyncio.sleep(0.01)


async def test_another_stacks_containers_are_never_touched(tmp_path: Path) -> None:
    host = FakeHost()
    past = datetime.now(UTC) - timedelta(hours=1)
    other = host.containers["other-abcdefghijkm"] = lost_container("other", "abcdefghijkm", past)
    async with running(tmp_path, host=host) as world:
        await world.launched()
        assert host.containers["other-abcdefghijkm"] is other


async def test_a_renewal_moves_the_end(world: World) -> None:
    instance = await world.launched()
    world.clock.advance(minutes=30)
    renewed = await world.services.leases.renew(ANNA, instance.id)
    assert timedelta(minutes=29) < renewed.expires_at - instance.expires_at < timedelta(minutes=31)
    world.clock.advance(minutes=15)  # past the first end
    world.services.ledger.changed.set()
    await asyncio.sleep(0.05)
    assert (await world.services.leases.get(ANNA, instance.id)).state is State.READY


async def test_what_is_over_cannot_be_renewed(world: World) -> None:
    instance = await world.launched()
    await world.services.leases.delete(ANNA, instance.id)
    with pytest.raises(NotRenewable):
        await world.services.leases.renew(ANNA, instance.id)


async def test_somebody_elses_instance_is_unknown(world: World) -> None:
    instance = await world.launched(ANNA)
    leases = world.services.leases
    for call in (leases.get, leases.renew, leases.delete, leases.log):
        with pytest.raises(UnknownInstance):
            await call(BEN, instance.id)
    assert leases.live(BEN) == []
    assert (await leases.get(ANNA, instance.id)).state is State.READY


async def test_an_admins_removal_is_told_as_such(world: World) -> None:
    instance = await world.launched(ANNA)
    await world.services.leases.delete(ADMIN, instance.id)
    assert outcome(await world.ended(instance.id)) == (State.GONE, Reason.REMOVED_BY_ADMIN)


async def test_ended_instances_are_forgotten_after_a_while(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, clock=clock) as world:
        instance = await world.launched()
        await world.services.leases.delete(ANNA, instance.id)
        await world.ended(instance.id)
    clock.advance(days=8)
    async with running(tmp_path, clock=clock) as world, asyncio.timeout(2):
        while await world.services.ledger.store.get(instance.id):
            await asyncio.sleep(0.01)
