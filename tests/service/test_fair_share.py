"""Whoever uses all the CPU time there is gives way to the others, until it rests."""

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.domain.fair_share import Machine
from orchestrator.domain.models import Instance
from orchestrator.domain.outages import EngineError
from orchestrator.service import fair_share, meter
from orchestrator.service.meter import Reading

from ..support import ADMIN_TOKEN, ANNA, BEN, WIKI, World

pytestmark = pytest.mark.anyio

BUSY, QUIET = Machine(cores=2, load=0.6), Machine(cores=2, load=0.1)
LIMIT = WIKI.limits.cpus


def uses(cores: float | None) -> Reading:
    return Reading(cores, 1, 2)


def is_restrained(world: World, site: Instance) -> bool:
    return world.engine.host.containers[world.engine.name_of(site.id)].restrained


async def restrained(world: World) -> tuple[Instance, Instance]:
    """Anna's site, which burns all it may, and Ben's, which does not."""
    bomb, site = await world.launched(ANNA), await world.launched(BEN)
    for _ in range(2):
        readings = {bomb.id: uses(LIMIT), site.id: uses(0.1)}
        await world.services.fair_share.judge(readings, BUSY)
    assert (is_restrained(world, bomb), is_restrained(world, site)) == (True, False)
    return bomb, site


async def test_whoever_was_greedy_twice_gives_way_and_one_at_rest_has_its_share_again(
    world: World,
) -> None:
    bomb, _ = await restrained(world)
    assert world.services.fair_share.restrained == {bomb.id}
    await world.services.fair_share.judge({bomb.id: uses(0.0)}, QUIET)
    assert not is_restrained(world, bomb)
    assert world.services.fair_share.restrained == set()


async def test_the_same_measurement_counts_once(world: World) -> None:
    site = await world.launched()
    reading = uses(LIMIT)
    for _ in range(3):
        await world.services.fair_share.judge({site.id: reading}, BUSY)
    assert not is_restrained(world, site)


async def test_a_pause_in_between_is_no_greed(world: World) -> None:
    site = await world.launched()
    for cores in (LIMIT, 0.1, LIMIT):
        await world.services.fair_share.judge({site.id: uses(cores)}, BUSY)
    assert not is_restrained(world, site)


async def test_what_is_not_known_changes_nothing(world: World) -> None:
    bomb, site = await restrained(world)
    await world.services.fair_share.judge({bomb.id: uses(None)}, QUIET)
    await world.services.fair_share.judge({"another": uses(9.0)}, BUSY)
    assert (is_restrained(world, bomb), is_restrained(world, site)) == (True, False)


async def test_what_has_ended_is_forgotten(world: World) -> None:
    bomb, _ = await restrained(world)
    await world.services.leases.delete(ANNA, bomb.id)
    await world.ended(bomb.id)
    await world.services.fair_share.judge({}, QUIET)
    assert world.services.fair_share.restrained == set()


async def test_where_the_engine_refuses_it_is_tried_again(world: World) -> None:
    site = await world.launched()
    world.engine.fail_next("restrain", EngineError("no such cgroup"))
    for expected in (False, False, True):
        await world.services.fair_share.judge({site.id: uses(LIMIT)}, BUSY)
        assert is_restrained(world, site) is expected


async def test_the_admin_and_prometheus_are_told(world: World) -> None:
    bomb, _ = await restrained(world)
    container = world.engine.host.containers[world.engine.name_of(bomb.id)]
    for _ in range(2):
        await world.services.meter.measure()
        container.cpu += 1.0
    async with world.client() as admin:
        await admin.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        for page in ("/admin/instances", f"/admin/target?kind=instance&key={bomb.id}"):
            assert "others are served before it" in (await admin.get(page)).text
    assert "distros_restrained 1.0" in (await world.admin().get("/metrics")).text


async def test_it_measures_only_while_the_machine_is_busy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_share, "INTERVAL", 0.01)
    monkeypatch.setattr(meter, "INTERVAL", 0.02)
    site = await world.launched()
    container = world.engine.host.containers[world.engine.name_of(site.id)]
    state = {"machine": QUIET}
    asked = 0

    def machine() -> Machine:
        nonlocal asked
        asked += 1
        return state["machine"]

    watched = fair_share.FairShare(
        world.services.catalog,
        world.engine,
        world.services.ledger,
        world.services.meter,
        machine,
    )
    watching = asyncio.create_task(watched.watch())
    try:
        await in_time(lambda: asked > 5)
        assert "usage" not in dict(world.engine.calls)
        state["machine"] = BUSY
        burning = asyncio.create_task(burn(world, site))
        await in_time(lambda: container.restrained)
        burning.cancel()
        state["machine"] = QUIET
        await in_time(lambda: not container.restrained)
    finally:
        watching.cancel()


async def burn(world: World, site: Instance) -> None:
    """A hundred cores' worth."""
    while True:
        world.engine.host.containers[world.engine.name_of(site.id)].cpu += 1.0
        await asyncio.sleep(0.01)


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
