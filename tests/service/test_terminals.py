"""Terminals: how many there may be, and what ends one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.engine_errors import NotRunning
from orchestrator.domain.errors import Banned
from orchestrator.domain.limits_exceeded import TooManyTerminals
from orchestrator.domain.models import Caller, Instance
from orchestrator.domain.outages import EngineUnavailable, StoreUnavailable
from orchestrator.domain.safeguards import BanKind
from orchestrator.engine.base import TerminalSize
from orchestrator.engine.fake_terminal import FakeTerminal
from orchestrator.service import terminal_flow
from orchestrator.service.terminals import Drawn, End, Ending, Typed
from tests.support import ADMIN, ANNA, BEN, SHELL, World, running, with_pool

pytestmark = pytest.mark.anyio

PATIENCE = 10.0  # seconds


class Person:
    """At the other end."""

    def __init__(self) -> None:
        self.seen = b""
        self.told: list[datetime] = []
        self._sent: asyncio.Queue[Typed | Drawn | TerminalSize | None] = asyncio.Queue()
        self._news = asyncio.Event()

    async def receive(self) -> Typed | Drawn | TerminalSize | None:
        return await self._sent.get()

    async def show(self, output: bytes) -> None:
        await asyncio.sleep(0)
        self.seen += output
        self._news.set()

    async def tell_end(self, expires_at: datetime) -> None:
        self.told.append(expires_at)
        self._news.set()

    def sends(self, *what: Typed | Drawn | TerminalSize | None) -> None:
        for each in what:
            self._sent.put_nowait(each)

    def types(self, line: str) -> None:
        self.sends(Typed(f"{line}\r".encode()))

    async def sees(self, wanted: bytes) -> None:
        while wanted not in self.seen:
            await self._news.wait()
            self._news.clear()

    async def hears_of_a_renewal(self) -> datetime:
        while not self.told:
            await self._news.wait()
            self._news.clear()
        return self.told[-1]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with started(tmp_path) as world:
        yield world


@asynccontextmanager
async def started(folder: Path, **settings: Any) -> AsyncIterator[World]:
    async with running(folder, catalog=Catalog([SHELL]), **settings) as world:
        async with asyncio.timeout(PATIENCE):
            yield world


def serving(
    world: World, instance: Instance, person: Person, caller: Caller = ANNA
) -> asyncio.Task[Ending]:
    command = world.services.terminals.command(instance)
    return asyncio.create_task(world.services.terminals.serve(caller, instance, command, person))


async def opened(
    world: World, instance: Instance, caller: Caller = ANNA
) -> tuple[Person, FakeTerminal, asyncio.Task[Ending]]:
    """One that has shown its prompt."""
    person = Person()
    task = serving(world, instance, person, caller)
    await asyncio.wait(
        {task, seen := asyncio.create_task(person.sees(b"$ "))}, return_when="FIRST_COMPLETED"
    )
    if not seen.done():
        seen.cancel()
        task.result()
    container = world.engine.host.containers[world.engine.name_of(instance.id)]
    return person, container.terminals[-1], task


# -- while it is open ------------------------------------------------------------------------------


async def test_what_is_typed_reaches_the_shell_that_the_distribution_names(world: World) -> None:
    person, shell, task = await opened(world, await world.launched())
    person.types("echo hello")

    await person.sees(b"\r\nhello\r\n")

    assert shell.command == ("/bin/bash",)
    person.sends(None)
    assert await task == Ending(End.LEFT)


async def test_of_many_sizes_the_latest_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_flow, "RESIZE_PACE", 0.0)
    person, shell, task = await opened(world, await world.launched())
    person.sends(*(TerminalSize(24, columns) for columns in range(80, 120)), TerminalSize(30, 99))

    while shell.size != TerminalSize(30, 99):
        await asyncio.sleep(0)
    person.types("stty size")
    await person.sees(b"30 99\r\n")
    person.sends(None)
    await task


async def test_a_renewal_goes_on_and_tells_the_new_end(world: World) -> None:
    instance = await world.launched()
    person, _, task = await opened(world, instance)
    world.clock.advance(minutes=10)

    renewed = await world.services.leases.renew(ANNA, instance.id)

    assert await person.hears_of_a_renewal() == renewed.expires_at
    person.types("echo still here")
    await person.sees(b"\nstill here")
    person.sends(None)
    await task


async def test_the_shell_waits_for_a_page_that_draws_nothing(world: World) -> None:
    person, shell, task = await opened(world, await world.launched())
    pieces = 0

    async def flood() -> None:
        nonlocal pieces
        while True:
            await shell.say(b"y" * 16 * 1024)
            pieces += 1

    flooding = asyncio.create_task(flood())
    before = -1
    while pieces != before:
        before = pieces
        for _ in range(100):
            await asyncio.sleep(0)
    assert len(person.seen) <= terminal_flow.WINDOW + 16 * 1024

    person.sends(Drawn(len(person.seen)))
    while pieces < 2 * before:
        await asyncio.sleep(0)
        person.sends(Drawn(16 * 1024))
    flooding.cancel()
    person.sends(None)
    assert await task == Ending(End.LEFT)


# -- its end ---------------------------------------------------------------------------------------


async def test_who_leaves_hangs_up(world: World) -> None:
    person, shell, task = await opened(world, await world.launched())
    person.types("sleep 1000")
    person.sends(None)

    assert await task == Ending(End.LEFT)
    assert shell.closed and shell.hung_up


async def test_a_shell_that_exits_ends_it_with_its_code(world: World) -> None:
    person, shell, task = await opened(world, await world.launched())
    person.types("exit 7")

    assert await task == Ending(End.EXITED, 7)
    assert shell.closed and not shell.hung_up


@pytest.mark.parametrize("how", ["deleted", "expired", "taken down", "crashed", "removed outside"])
async def test_it_ends_with_its_instance_however_that_ends(world: World, how: str) -> None:
    instance = await world.launched()
    _, shell, task = await opened(world, instance)
    name = world.engine.name_of(instance.id)
    match how:
        case "deleted":
            await world.services.leases.delete(ANNA, instance.id)
        case "expired":
            world.clock.advance(hours=1)
            world.services.ledger.changed.set()
        case "taken down":
            await world.services.safety.take_down(instance=instance.id, reason="Abuse.")
        case "crashed":
            await world.engine.host.crash(name)
        case "removed outside":
            await world.engine.host.remove_outside(name)

    assert await task == Ending(End.OVER)
    assert shell.closed
    assert (await world.ended(instance.id)).state.ended


async def test_nobody_who_types_is_idle_and_who_only_watches_is(tmp_path: Path) -> None:
    async with started(tmp_path, terminal_idle="1s") as world:
        person, shell, task = await opened(world, await world.launched())
        for _ in range(4):
            await asyncio.sleep(0.4)
            person.types("echo on")
        assert not task.done()

        async def watch() -> None:
            while True:
                person.sends(Drawn(1), TerminalSize(24, 80))
                await shell.say(b"tick")
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        assert await task == Ending(End.IDLE)
        assert shell.closed
        watching.cancel()


@pytest.mark.parametrize("kind", BanKind)
async def test_a_ban_ends_it_and_lets_no_other_begin(world: World, kind: BanKind) -> None:
    anna = Caller(ANNA.visitor, address="a" * 32)
    instance, other = await world.launched(anna), await world.launched(BEN)
    _, shell, task = await opened(world, instance, anna)
    _, _, bens = await opened(world, other, BEN)
    key = {"visitor": anna.visitor, "address": anna.address, "distribution": "wiki"}[kind]

    await world.services.safety.ban(kind, key, shown="x", reason="Abuse.", by="test")

    assert await task == Ending(End.BANNED)
    assert shell.closed
    with pytest.raises(Banned):
        await serving(world, instance, Person(), anna)
    await asyncio.sleep(0)
    assert bens.done() == (kind is BanKind.DISTRIBUTION)
    bens.cancel()


async def test_it_ends_when_the_service_leaves(world: World) -> None:
    _, shell, task = await opened(world, await world.launched())

    world.services.stopping.begin()

    assert await task == Ending(End.LEAVING)
    assert shell.closed and shell.hung_up


async def test_a_connection_that_the_engine_loses_is_told_apart_from_an_exit(world: World) -> None:
    _, shell, task = await opened(world, await world.launched())
    world.engine.unavailable = True

    await shell.end(0)

    assert await task == Ending(End.CUT)


async def test_a_task_that_is_cancelled_closes_the_shell(world: World) -> None:
    person, shell, task = await opened(world, await world.launched())
    person.types("sleep 1000")
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert shell.closed and shell.hung_up


async def test_nothing_of_it_is_left(world: World) -> None:
    instance = await world.launched()
    tasks = len(asyncio.all_tasks())
    for _ in range(5):
        person, _, task = await opened(world, instance)
        person.sends(None)
        await task

    assert len(asyncio.all_tasks()) == tasks


# -- who gets one ----------------------------------------------------------------------------------


async def test_one_visitor_has_so_many_and_gets_another_once_one_is_closed(tmp_path: Path) -> None:
    async with started(tmp_path, terminals_per_visitor=2, terminals=3) as world:
        instance, other = await world.launched(), await world.launched(BEN)
        person, _, task = await opened(world, instance)
        await opened(world, instance)

        with pytest.raises(TooManyTerminals) as refused:
            await serving(world, instance, Person())
        assert refused.value.whose == "visitor"

        await opened(world, other, BEN)
        with pytest.raises(TooManyTerminals) as refused:
            await serving(world, other, Person(), BEN)
        assert refused.value.whose == "all"
        await opened(world, instance, ADMIN)  # whatever the limits say

        person.sends(None)
        await task
        await opened(world, instance)


async def test_one_address_has_so_many_whoever_comes_from_there(tmp_path: Path) -> None:
    async with started(tmp_path, terminals_per_address=1) as world:
        anna, ben = (Caller(each.visitor, address="a" * 32) for each in (ANNA, BEN))
        instance, other = await world.launched(anna), await world.launched(ben)
        person, _, task = await opened(world, instance, anna)

        with pytest.raises(TooManyTerminals) as refused:
            await serving(world, other, Person(), ben)
        assert refused.value.whose == "address"

        await opened(world, other, Caller(BEN.visitor, address="b" * 32))
        person.sends(None)
        await task
        await opened(world, other, ben)


async def test_what_cannot_be_opened_takes_no_place(tmp_path: Path) -> None:
    async with started(tmp_path, terminals_per_visitor=1) as world:
        instance = await world.launched()
        for error in (
            EngineUnavailable("The Docker Engine cannot be reached."),
            NotRunning(instance.id),
        ):
            world.engine.fail_next("open_terminal", error)
            with pytest.raises(type(error)):
                await serving(world, instance, Person())
        await opened(world, instance)


async def test_without_the_list_of_bans_there_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise StoreUnavailable("The store does not answer.")

    instance = await world.launched()
    monkeypatch.setattr(world.services.safety, "bans", away)

    with pytest.raises(StoreUnavailable):
        await serving(world, instance, Person())
    assert ("open_terminal", instance.id) not in world.engine.calls


async def test_there_is_none_in_what_is_over(world: World) -> None:
    instance = await world.launched()
    await world.services.leases.delete(ANNA, instance.id)

    assert await serving(world, instance, Person()) == Ending(End.OVER)


async def test_there_is_none_in_what_waits_in_the_pool(tmp_path: Path) -> None:
    catalog = with_pool(1, 1, terminal=SHELL.terminal)
    async with running(tmp_path, catalog=catalog) as world:
        while not (pooled := [each for each in world.services.ledger.live.values() if each.pooled]):
            await asyncio.sleep(0.01)
        assert world.services.terminals.command(pooled[0]) == ()


async def test_the_operator_can_offer_none(tmp_path: Path) -> None:
    async with started(tmp_path, terminals=0) as world:
        assert world.services.terminals.command(await world.launched()) == ()
