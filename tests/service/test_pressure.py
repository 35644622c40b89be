"""Little disk or memory: launches are refused, what is ready is claimed, what is ours is pruned."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.models import State
from orchestrator.domain.outages import UnderPressure
from orchestrator.domain.pressure import Room
from orchestrator.service import pressure

from ..support import ANNA, BEN, World, running, with_pool

pytestmark = pytest.mark.anyio

GIB = 1024**3
RESERVES: dict[str, Any] = {"disk_reserve": 2 * GIB, "memory_reserve": GIB // 2}
ROOM = Room(disks=[9 * GIB], memory=4 * GIB)
FULL_DISK = Room(disks=[GIB], memory=4 * GIB)
LITTLE_MEMORY = Room(disks=[9 * GIB], memory=GIB // 4)


class Machine:
    def __init__(self) -> None:
        self.room = ROOM
        self.asked: list[Sequence[Path]] = []

    def measure(self, folders: Sequence[Path]) -> Room:
        self.asked.append(tuple(folders))
        return self.room


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(pressure, "measure", made.measure)
    monkeypatch.setattr(pressure, "HOLDS", 0.0)
    monkeypatch.setattr(pressure, "LOOK_INTERVAL", 0.02)
    return made


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("room", [FULL_DISK, LITTLE_MEMORY])
async def test_launches_are_refused_and_running_sites_go_on_until_there_is_room(
    tmp_path: Path, machine: Machine, room: Room
) -> None:
    async with running(tmp_path, **RESERVES) as world:
        site = await world.launched(ANNA)
        machine.room = room
        await in_time(lambda: world.services.pressure.acute)
        with pytest.raises(UnderPressure, match="running sites go on"):
            await world.launched(BEN)
        assert (await world.services.leases.renew(ANNA, site.id)).state is State.READY
        machine.room = ROOM
        await in_time(lambda: not world.services.pressure.acute)
        assert (await world.launched(BEN)).state is State.READY


async def test_visitors_and_readyz_are_told_when_to_come_back(
    tmp_path: Path, machine: Machine
) -> None:
    async with running(tmp_path, **RESERVES) as world, world.admin() as admin:
        assert (await admin.get("/readyz")).json()["checks"]["pressure"] == "ok"
        machine.room = FULL_DISK
        await in_time(lambda: world.services.pressure.acute)
        refused = await admin.post("/api/v1/instances", json={"distribution": "wiki"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "60"
        assert refused.json()["code"] == "under_pressure"
        assert refused.json()["detail"].startswith("The disk is almost full: 1 GiB free")
        ready = await admin.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["pressure"] == refused.json()["detail"]


async def test_the_pool_serves_what_it_has_but_does_not_grow(
    tmp_path: Path, machine: Machine, hurried_pool: None
) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1), **RESERVES) as world:
        pool = world.services.pool
        await in_time(lambda: any(one.state is State.READY for one in pool.members()))
        machine.room = FULL_DISK
        await in_time(lambda: world.services.pressure.acute)
        assert (await world.launched(ANNA)).state is State.READY
        with pytest.raises(UnderPressure):
            await world.launched(BEN)
        assert world.services.pool_sizes.wanted() is None
        machine.room = ROOM
        await in_time(lambda: len(pool) == 1)


async def logs_of(world: World, *instance_ids: str) -> list[str | None]:
    return [await world.services.ledger.store.log(each) for each in instance_ids]


async def test_a_full_disk_costs_old_logs_first_then_unused_images(
    tmp_path: Path, machine: Machine
) -> None:
    async with running(tmp_path, **RESERVES) as world:
        old, fresh = await world.launched(ANNA), await world.launched(ANNA)
        for site in (old, fresh):
            world.engine.host.say(world.engine.name_of(site.id), "hello")
        await world.services.leases.delete(ANNA, old.id)
        await world.ended(old.id)
        world.clock.advance(minutes=30)
        await world.services.leases.delete(ANNA, fresh.id)
        await world.ended(fresh.id)
        world.clock.advance(minutes=45)
        await in_time(lambda: ("prune_images", "") in world.engine.calls)  # at the start
        world.engine.calls.clear()
        assert await logs_of(world, old.id, fresh.id) == ["hello\n", "hello\n"]
        machine.room = FULL_DISK
        await in_time(lambda: ("prune_images", "") in world.engine.calls)
        assert await logs_of(world, old.id, fresh.id) == [None, "hello\n"]
        await asyncio.sleep(0.1)  # several looks
        assert world.engine.calls.count(("prune_images", "")) == 1


async def test_the_engines_disk_is_measured_too_where_it_can_be_seen(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").mkdir()

    async def data_root(_engine: object) -> Path:
        return tmp_path / "docker"

    monkeypatch.setattr("orchestrator.engine.fake.FakeEngine.data_root", data_root)
    async with running(tmp_path, **RESERVES):
        await in_time(lambda: (tmp_path, tmp_path / "docker") in machine.asked)


async def test_a_disk_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "DEADLINE", 0.05)
    async with running(tmp_path, **RESERVES) as world:
        await world.launched(ANNA)
        answers = threading.Event()

        def hang(_folders: Sequence[Path]) -> Room:
            answers.wait(10)
            return ROOM

        monkeypatch.setattr(pressure, "measure", hang)
        try:
            async with asyncio.timeout(3):
                assert (await world.launched(BEN)).state is State.READY
        finally:
            answers.set()


async def test_it_measures_at_most_once_a_second_however_many_ask(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "HOLDS", 60.0)
    async with running(tmp_path, **RESERVES) as world:
        await in_time(lambda: bool(machine.asked))
        await asyncio.gather(*(world.services.pressure.require() for _ in range(50)))
        assert len(machine.asked) == 1
