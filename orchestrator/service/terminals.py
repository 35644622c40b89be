"""Terminals in the browser: how many there may be, and what ends one.

One begins with a shell in a ready instance of a distribution that offers one. It ends, and its
shell with it, at the first of these: its visitor leaves; the shell exits; the instance is over, for
whatever reason (a renewal is none: it goes on until the new end); nobody has typed for a while; the
visitor is banned, or the admin has signed out; the service leaves; the engine is lost.

Nothing piles up between the two ends (`terminal_flow.py`). What the visitor types is read only as
fast as the shell takes it, and what the shell says only as fast as the visitor's page draws it.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import structlog

from ..catalog import Catalog
from ..domain.engine_errors import EngineError
from ..domain.errors import Banned, UnknownDistribution
from ..domain.limits_exceeded import TooManyTerminals
from ..domain.models import Caller, Instance, State
from ..domain.outages import EngineUnavailable
from ..domain.safeguards import Ban, BanKind
from ..engine.base import Engine, Terminal, TerminalSize
from ..race import first_of
from .ledger import Ledger, Watcher
from .safety import Safety
from .stopping import Stopping
from .terminal_flow import Flow, keep_size

log = structlog.get_logger(__name__)

Session = AbstractAsyncContextManager[None]  # raises TimeoutError as soon as it has ended

LAST_NEWS: Final = 5.0  # seconds in which a container's death becomes known to the ledger


class End(StrEnum):
    LEFT = "left"
    EXITED = "exited"
    OVER = "over"  # the instance
    IDLE = "idle"
    BANNED = "banned"
    SIGNED_OUT = "signed_out"  # the admin
    LEAVING = "leaving"  # the service
    CUT = "cut"  # from the engine


@dataclass(frozen=True, slots=True)
class Ending:
    end: End
    exit_code: int | None = None  # of the shell, where it has exited


@dataclass(frozen=True, slots=True)
class Typed:
    data: bytes


@dataclass(frozen=True, slots=True)
class Drawn:
    """So many bytes of output more have been seen."""

    count: int


class Visitor(Protocol):
    """The other end."""

    async def receive(self) -> Typed | Drawn | TerminalSize | None:
        """None once they have left."""

    async def show(self, output: bytes) -> None:
        """Returns once there is room for more."""

    async def tell_end(self, expires_at: datetime) -> None:
        """The lease was renewed until then."""


@dataclass(frozen=True, slots=True)
class TerminalPolicy:
    most: int  # at once; 0 for none
    most_of_one: Mapping[str, int]  # "visitor" and "address"; 0 for no limit
    idle: timedelta


@dataclass(eq=False, slots=True)
class _Open:
    caller: Caller
    instance: Instance
    banned: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, ban: Ban) -> None:
        key = {
            BanKind.VISITOR: self.caller.visitor,
            BanKind.ADDRESS: self.caller.address,
            BanKind.DISTRIBUTION: self.instance.distribution,
        }[ban.kind]
        if key == ban.key and not self.caller.admin:
            self.banned.set()


class Terminals:
    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        ledger: Ledger,
        safety: Safety,
        stopping: Stopping,
        policy: TerminalPolicy,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._ledger = ledger
        self._safety = safety
        self._stopping = stopping
        self._policy = policy
        self._open: set[_Open] = set()
        safety.on_ban(self._hear)

    def command(self, instance: Instance) -> tuple[str, ...]:
        """Of its shell; () where none is offered. Nobody looks into what waits in the pool: a
        visitor is to get it as it was started."""
        try:
            distribution = self._catalog.get(instance.distribution)
        except UnknownDistribution:  # it has left the catalogue
            return ()
        return distribution.terminal if self._policy.most and not instance.pooled else ()

    async def serve(
        self,
        caller: Caller,
        instance: Instance,
        command: tuple[str, ...],
        visitor: Visitor,
        session: Session | None = None,
    ) -> Ending:
        """Opens a terminal and keeps it until it ends, at the latest with the session.

        Raises TooManyTerminals, Banned, NotRunning, EngineError, EngineUnavailable,
        StoreUnavailable; then there was none.
        """
        with self._place(caller, instance) as place, self._ledger.watch(instance.id) as watcher:
            for ban in await self._safety.bans():
                place.hear(ban)
            if place.banned.is_set():
                raise Banned
            current = await self._ledger.find(instance.id)
            if current is None or current.state is not State.READY:
                return Ending(End.OVER)
            terminal = await self._engine.open_terminal(instance.id, command)
            began, ending = time.monotonic(), Ending(End.LEFT)
            log.info("terminal opened", instance=instance.id, by=caller.visitor[:10])
            try:
                ending = await self._until_it_ends(
                    place, watcher, terminal, visitor, session or contextlib.nullcontext()
                )
                return ending
            finally:
                await terminal.close()
                seconds = round(time.monotonic() - began)
                log.info("terminal closed", instance=instance.id, end=ending.end, seconds=seconds)

    async def _until_it_ends(
        self,
        place: _Open,
        watcher: Watcher,
        terminal: Terminal,
        visitor: Visitor,
        session: Session,
    ) -> Ending:
        flow = Flow()
        return await first_of(
            _lease(watcher, visitor),
            _ban(place),
            _cut(session, Ending(End.SIGNED_OUT)),
            _cut(self._stopping.timeout(None), Ending(End.LEAVING)),
            self._in(terminal, visitor, flow),
            self._out(place.instance, terminal, visitor, flow),
            keep_size(terminal, flow),
        )

    @contextlib.contextmanager
    def _place(self, caller: Caller, instance: Instance) -> Iterator[_Open]:
        """Raises TooManyTerminals. An admin has one whatever the limits say, and takes none of
        the visitors'."""
        if not caller.admin:
            others = [each.caller for each in self._open if not each.caller.admin]
            for whose, most in self._policy.most_of_one.items():
                theirs = getattr(caller, whose)
                if most and theirs and sum(getattr(o, whose) == theirs for o in others) >= most:
                    raise TooManyTerminals(whose)
            if len(others) >= self._policy.most:
                raise TooManyTerminals("all")
        place = _Open(caller, instance)
        self._open.add(place)
        try:
            yield place
        finally:
            self._open.discard(place)

    def _hear(self, ban: Ban) -> None:
        for each in self._open:
            each.hear(ban)

    # -- what may end it -------------------------------------------------------------------------

    async def _out(
        self, instance: Instance, terminal: Terminal, visitor: Visitor, flow: Flow
    ) -> Ending:
        while output := await terminal.read():
            await flow.room()
            await visitor.show(output)
            flow.unseen += len(output)
        try:
            code = await terminal.exit_code()
            look = await self._engine.inspect(instance.id)
        except (EngineError, EngineUnavailable):
            return Ending(End.CUT)
        if look is None or not look.running:
            await asyncio.sleep(LAST_NEWS)  # the lease tells first, as a rule
            return Ending(End.OVER)
        return Ending(End.CUT) if code is None else Ending(End.EXITED, code)

    async def _in(self, terminal: Terminal, visitor: Visitor, flow: Flow) -> Ending:
        idle = self._policy.idle.total_seconds()
        loop = asyncio.get_running_loop()
        until = loop.time() + idle
        try:
            while True:
                async with asyncio.timeout_at(until):
                    match await visitor.receive():
                        case None:
                            return Ending(End.LEFT)
                        case Typed(data):
                            await terminal.write(data)
                            until = loop.time() + idle
                        case Drawn(count):
                            flow.seen(count)
                        case TerminalSize() as size:
                            flow.resize(size)
        except TimeoutError:
            return Ending(End.IDLE)


async def _cut(session: Session, ending: Ending) -> Ending:
    with contextlib.suppress(TimeoutError):
        async with session:
            await asyncio.Event().wait()
    return ending


async def _lease(watcher: Watcher, visitor: Visitor) -> Ending:
    async for instance in watcher:
        if instance.state is not State.READY:
            break
        await visitor.tell_end(instance.expires_at)
    return Ending(End.OVER)


async def _ban(place: _Open) -> Ending:
    await place.banned.wait()
    return Ending(End.BANNED)
