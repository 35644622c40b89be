"""Whoever burns CPU time gives way to the others, until it has cooled down."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.distribution import Limits
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.fair_share import Machine
from orchestrator.domain.models import Instance
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.fake_host import FakeContainer
from orchestrator.service import fair_share, meter
from orchestrator.service.meter import Reading

from ..support import ADMIN_TOKEN, ANNA, BEN, HIDDEN, WIKI, World, running

pytestmark = pytest.mark.anyio

SPARE = Machine(cores=2, load=0.6)
LIMIT = WIKI.limits.cpus


def uses(cores: float | None, seconds: float = 5.0) -> Reading:
    return Reading(cores, 1, 2, seconds)


async def judged(world: World, site: Instance, *cores: float | None) -> None:
    """So many measurements of it, one after the other."""
    for each in cores:
        await world.services.fair_share.judge({site.id: uses(each)}, SPARE)


def is_restrained(world: World, site: Instance) -> bool:
    return world.engine.host.containers[world.engine.name_of(site.id)].restrained


async def test_whoever_burns_gives_way_and_has_its_share_again_once_it_rests(world: World) -> None:
    bomb, site = await world.launched(ANNA), await world.launched(BEN)
    share = world.services.fair_share
    for _ in range(3):  # 15 seconds
        assert share.restrained == set()
        await share.judge({bomb.id: uses(LIMIT), site.id: uses(0.1)}, SPARE)
    assert (is_restrained(world, bomb), is_restrained(world, site)) == (True, False)
    assert share.restrained == {bomb.id}
    await judged(world, bomb, *[0.0] * 6)  # 30 of 35 seconds
    assert is_restrained(world, bomb)
    await judged(world, bomb, 0.0)
    assert not is_restrained(world, bomb)
    assert share.restrained == set()


async def test_a_pause_does_not_undo_what_was_before_it(world: World) -> None:
    bomb = await world.launched()
    await judged(world, bomb, LIMIT, LIMIT, 0.0, 0.0)
    assert not is_restrained(world, bomb)
    await judged(world, bomb, LIMIT, LIMIT)
    assert is_restrained(world, bomb)
    for _ in range(4):
        await judged(world, bomb, 0.0, 0.0, LIMIT)
        assert is_restrained(world, bomb)


async def test_the_same_measurement_counts_once(world: World) -> None:
    site = await world.launched()
    reading = uses(LIMIT)
    for _ in range(9):
        await world.services.fair_share.judge({site.id: reading}, SPARE)
    assert not is_restrained(world, site)


async def test_a_measurement_is_judged_by_the_highest_load_since_the_one_before(
    world: World,
) -> None:
    """What was little on a full machine is no rest because the machine has time to spare now."""
    bomb = await world.launched()
    await judged(world, bomb, *[LIMIT] * 3)
    container = world.engine.host.containers[world.engine.name_of(bomb.id)]
    share, meter = world.services.fair_share, world.services.meter
    await meter.measure()
    for _ in range(20):
        await share.look(Machine(cores=2, load=1.0))
        container.cpu += 0.001
        await meter.measure()
        await share.look(SPARE)
    assert is_restrained(world, bomb)


async def test_what_is_not_known_changes_nothing(world: World) -> None:
    bomb = await world.launched()
    await judged(world, bomb, *[LIMIT] * 3, *[None] * 20)
    assert is_restrained(world, bomb)
    await world.services.fair_share.judge({"another": uses(9.0, 60)}, SPARE)
    assert world.services.fair_share.restrained == {bomb.id}


async def test_what_has_ended_is_forgotten(world: World) -> None:
    bomb = await world.launched()
    await judged(world, bomb, *[LIMIT] * 3)
    await world.services.leases.delete(ANNA, bomb.id)
    await world.ended(bomb.id)
    await world.services.fair_share.judge({}, SPARE)
    assert world.services.fair_share.restrained == set()


async def test_one_that_ends_while_another_is_restrained_is_in_nobodys_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await world.launched(ANNA), await world.launched(BEN)
    share, restrain = world.services.fair_share, world.engine.restrain

    async def slowly(instance_id: str, *, restrained: bool) -> None:
        await world.services.leases.delete(BEN, second.id)
        await world.ended(second.id)
        await restrain(instance_id, restrained=restrained)

    monkeypatch.setattr(world.engine, "restrain", slowly)
    for _ in range(3):
        await share.judge({first.id: uses(LIMIT), second.id: uses(LIMIT)}, SPARE)
    assert is_restrained(world, first)
    await share.judge({}, SPARE)
    assert share.restrained == {first.id}


async def test_where_the_engine_refuses_it_is_tried_again(world: World) -> None:
    site = await world.launched()
    world.engine.fail_next("restrain", EngineError("no such cgroup"))
    await judged(world, site, *[LIMIT] * 3)
    assert not is_restrained(world, site)
    await judged(world, site, LIMIT)
    assert is_restrained(world, site)
    world.engine.fail_next("restrain", EngineUnavailable("away"))
    await judged(world, site, *[0.0] * 7)
    assert is_restrained(world, site)
    await judged(world, site, 0.0)
    assert not is_restrained(world, site)


async def test_what_has_left_the_catalogue_may_use_the_usual(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        site = await world.launched()
        host = world.engine.host
    left = Catalog([HIDDEN])
    async with running(tmp_path, host=host, catalog=left) as world:
        await judged(world, site, *[Limits().cpus] * 3)
        assert is_restrained(world, site)


async def test_what_is_older_than_the_process_has_its_share_again_once_it_is_cold(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        bomb = await world.launched()
        await judged(world, bomb, *[LIMIT] * 3)
        host = world.engine.host
    async with running(tmp_path, host=host) as world:
        await judged(world, bomb, LIMIT)
        assert is_restrained(world, bomb)
        world.engine.fail_next("restrain", EngineUnavailable("away"))
        await judged(world, bomb, 0.0, 0.0, 0.0)
        assert is_restrained(world, bomb)
        await judged(world, bomb, 0.0, 0.0)
        assert not is_restrained(world, bomb)
        calls = world.engine.calls.count(("restrain", bomb.id))
        assert calls == 2  # one was refused, and one is enough


async def test_the_admin_and_prometheus_are_told(world: World) -> None:
    bomb = await world.launched()
    await judged(world, bomb, *[LIMIT] * 3)
    async with world.client() as admin:
        await admin.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        for page in ("/admin/instances", f"/admin/target?kind=instance&key={bomb.id}"):
            assert "others are served before it" in (await admin.get(page)).text
    assert "distros_restrained 1.0" in (await world.admin().get("/metrics")).text


async def test_it_measures_only_while_the_machine_has_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_share, "INTERVAL", 0.01)
    monkeypatch.setattr(meter, "INTERVAL", 0.02)
    monkeypatch.setattr("orchestrator.domain.fair_share.SECONDS", 0.05)
    now = {"load": 0.0, "asked": 0.0}

    def machine() -> Machine:
        now["asked"] += 1
        return Machine(2, now["load"])

    async with running(tmp_path, machine=machine) as world:
        site = await world.launched()
        container = world.engine.host.containers[world.engine.name_of(site.id)]
        await in_time(lambda: now["asked"] > 5)
        assert "usage" not in dict(world.engine.calls)
        now["load"] = 0.6
        burning = asyncio.create_task(burn(container))
        await in_time(lambda: container.restrained)
        burning.cancel()
        now["load"] = 0.0
        await in_time(lambda: not container.restrained)


async def burn(container: FakeContainer) -> None:
    """A hundred cores' worth."""
    while True:
        container.cpu += 1.0
        await asyncio.sleep(0.01)


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
