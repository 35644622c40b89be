"""The process may end at any point: the next one goes on with what was begun, or takes it back."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator import failpoints
from orchestrator.catalog import Catalog
from orchestrator.domain.models import Instance, Reason, State
from orchestrator.engine.fake_host import FakeContainer, FakeHost
from orchestrator.settings import ROOT
from tests.support import ANNA, BEN, WIKI, Clock, World, running, with_pool

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried_pool")]


class Crash(BaseException):
    """Nothing in the service may catch it, as nothing catches SIGKILL."""


def crash() -> None:
    raise Crash


@dataclass
class Machine:
    """What outlives the process: what runs, the database, and the time."""

    folder: Path
    host: FakeHost = field(default_factory=FakeHost)
    clock: Clock = field(default_factory=Clock)
    how: dict[str, Any] = field(default_factory=dict)

    def service(self) -> Any:
        return running(self.folder, host=self.host, clock=self.clock, **self.how)

    async def crash_at(self, point: str, deed: Callable[[World], Awaitable[object]]) -> None:
        """Runs the service until it crashes there."""
        crashed = False
        try:
            async with asyncio.timeout(10), self.service() as world:
                failpoints.arm(point, crash)
                await deed(world)
                await asyncio.Event().wait()
        except* Crash:
            crashed = True
        finally:
            failpoints.arm(None)
        assert crashed


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def settled(world: World) -> list[Instance]:
    """Once nothing is on its way: what lives. Every row has its container, and every container its
    row."""
    async with asyncio.timeout(10):
        while True:
            live = await world.services.ledger.store.list(states=set(State) - {State.GONE})
            names = {world.engine.name_of(row.id) for row in live if row.state is State.READY}
            done = all(row.state in {State.READY, State.FAILED} for row in live)
            if done and world.engine.host.containers.keys() == names:
                return [row for row in live if row.state is State.READY]
            await asyncio.sleep(0.01)


def points(*prefixes: str) -> list[str]:
    return [name for name in failpoints.POINTS if name.partition(".")[0] in prefixes]


@pytest.mark.parametrize("point", points("launch"))
async def test_a_launch_goes_on_unless_nothing_was_written(machine: Machine, point: str) -> None:
    image = WIKI.image.model_copy(update={"build": False, "ref": "test/pulled:1"})
    machine.how["catalog"] = Catalog([WIKI.model_copy(update={"image": image})])

    async def launch(world: World) -> None:
        await world.services.launcher.launch(ANNA, "wiki", name="mine")

    await machine.crash_at(point, launch)

    async with machine.service() as world:
        sites = await settled(world)
        assert [(site.owner, site.name) for site in sites] == (
            [] if point == "launch.admitting" else [(ANNA.visitor, "mine")]
        )
        assert all(container.running for container in machine.host.containers.values())


@pytest.mark.parametrize("point", points("pool"))
async def test_the_pool_is_filled_and_not_more(machine: Machine, point: str) -> None:
    machine.how["catalog"] = with_pool(2, 2)

    async def nothing(_: World) -> None: ...

    await machine.crash_at(f"{point}:2", nothing)

    async with machine.service() as world:
        while len(world.services.pool) < 2:
            await asyncio.sleep(0.01)
        assert [site.pooled for site in await settled(world)] == [True, True]


@pytest.mark.parametrize("point", points("claim"))
async def test_a_claim_is_made_whole_or_not_at_all(machine: Machine, point: str) -> None:
    machine.how["catalog"] = with_pool(1, 1)

    async def claim(world: World) -> None:
        while not any(each.state is State.READY for each in world.services.pool.members()):
            await asyncio.sleep(0.01)
        await world.services.launcher.launch(ANNA, "wiki", request_key="once")

    await machine.crash_at(point, claim)

    async with machine.service() as world:
        owners = {site.owner for site in await settled(world) if not site.pooled}
        assert owners == ({ANNA.visitor} if point == "claim.written" else set())
        again = await world.services.launcher.launch(ANNA, "wiki", request_key="once")
        other = await world.services.launcher.launch(BEN, "wiki")
        await world.until(again.id, lambda now: now.state is State.READY)
        await world.until(other.id, lambda now: now.state is State.READY)
        assert again.id != other.id
        assert [each.id for each in world.services.leases.live(ANNA)] == [again.id]


@pytest.mark.parametrize("point", points("renew"))
async def test_a_renewal_that_was_written_is_kept(machine: Machine, point: str) -> None:
    async def renew(world: World) -> None:
        instance = await world.launched()
        machine.clock.advance(minutes=30)
        await world.services.leases.renew(ANNA, instance.id)

    await machine.crash_at(point, renew)
    machine.clock.advance(minutes=20)

    async with machine.service() as world:
        (row,) = await world.services.ledger.store.list()
        if point == "renew.written":
            assert len(await settled(world)) == 1
        else:
            assert (await world.ended(row.id)).reason is Reason.EXPIRED


@pytest.mark.parametrize("point", points("expire", "delete", "end"))
async def test_what_was_to_end_has_ended(machine: Machine, point: str) -> None:
    expires = point == "expire.deciding"

    async def end(world: World) -> None:
        instance = await world.launched()
        machine.host.say(world.engine.name_of(instance.id), "hello")
        if expires:
            machine.clock.advance(hours=1)
        else:
            await world.services.leases.delete(ANNA, instance.id)

    await machine.crash_at(point, end)

    async with machine.service() as world:
        (row,) = await world.services.ledger.store.list()
        if point == "delete.deciding":  # nobody has been told that it is deleted
            assert len(await settled(world)) == 1
            await world.services.leases.delete(ANNA, row.id)
        ended = await world.ended(row.id)
        assert ended.reason is (Reason.EXPIRED if expires else Reason.DELETED)
        assert await settled(world) == []
        assert await world.services.leases.log(ANNA, row.id) == "hello\n"


async def test_a_cancelled_launch_stays_cancelled(machine: Machine) -> None:
    machine.how["capacity"] = 1

    async def cancel(world: World) -> None:
        await world.launched(BEN)
        queued = await world.services.launcher.launch(ANNA, "wiki")
        await world.services.leases.delete(ANNA, queued.id)

    await machine.crash_at("cancel.written", cancel)

    async with machine.service() as world:
        assert [site.owner for site in await settled(world)] == [BEN.visitor]
        assert world.services.ledger.counts().queued == 0


async def leave(machine: Machine) -> FakeContainer:
    """One container, of a service that has come and gone."""
    async with machine.service() as world:
        await world.launched()
    (container,) = machine.host.containers.values()
    return container


async def wait(_: World) -> None: ...


@pytest.mark.parametrize("point", points("discard"))
async def test_a_leftover_is_removed(machine: Machine, point: str) -> None:
    container = await leave(machine)
    (name,) = machine.host.containers
    async with machine.service() as world:
        (row,) = await settled(world)
        await world.services.leases.delete(ANNA, row.id)
        await world.ended(row.id)
    machine.host.containers[name] = container

    await machine.crash_at(point, wait)

    async with machine.service() as world:
        assert await settled(world) == []


@pytest.mark.parametrize("point", points("adopt"))
async def test_a_container_without_a_row_is_adopted(machine: Machine, point: str) -> None:
    await leave(machine)
    machine.folder /= "another"

    await machine.crash_at(point, wait)

    async with machine.service() as world:
        while not world.services.ledger.live:
            await asyncio.sleep(0.01)
        assert [site.owner for site in await settled(world)] == [""]
        machine.clock.advance(hours=1)
        while machine.host.containers:
            await asyncio.sleep(0.01)


# -- the points themselves -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    yield
    failpoints.arm(None)


def test_every_point_is_played_above() -> None:
    played = "launch pool claim renew expire delete end cancel discard adopt"
    assert set(failpoints.POINTS) == set(points(*played.split()))


def test_every_point_is_in_the_code_once() -> None:
    fake = ROOT / "orchestrator" / "engine" / "fake.py"  # it has what the real engine has
    used = [
        name
        for module in (ROOT / "orchestrator").rglob("*.py")
        if module != fake
        for name in re.findall(r'failpoint\("([^"]+)"\)', module.read_text())
    ]
    assert sorted(used) == sorted(failpoints.POINTS)
    assert re.findall(r'failpoint\("([^"]+)"\)', fake.read_text()) == ["launch.created"]


def test_a_point_acts_the_third_time_where_it_is_told_to() -> None:
    reached = count(1)
    acted: list[int] = []
    failpoints.arm("launch.admitted:3", lambda: acted.append(now))
    for _ in range(5):
        now = next(reached)
        failpoints.failpoint("launch.admitted")
        failpoints.failpoint("launch.placed")
    assert acted == [3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("launch.admited", "there is no point “launch.admited”; did you mean launch.admitted?"),
        ("launch.admitted:0", "“0” is no number of times; write such as launch.admitted:3"),
    ],
)
def test_a_mistyped_point_is_refused(text: str, said: str) -> None:
    with pytest.raises(failpoints.UnknownFailpoint, match=re.escape(said)):
        failpoints.arm(text)
