"""A machine in memory: what runs on it outlives any one engine, as containers outlive the service.

Give two engines the same host to play a restart, or a neighbour's stack. Knobs, all to be turned at
any time: `images`, `containers`, `programs`, `crash`, `remove_outside`, `pause`, `rename`, `say`,
`cut_streams`; on a container its `cpu` and `memory`.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from .fake_terminal import FakeTerminal


@dataclass
class FakeContainer:
    labels: dict[str, str] = field(default_factory=dict)
    address: IPv4Address | None = None
    environment: dict[str, str] = field(default_factory=dict)
    running: bool = False
    paused: bool = False
    exit_code: int | None = None
    out_of_memory: bool = False
    output: list[str] = field(default_factory=list)
    cpu: float = 0.0  # seconds used so far
    memory: int = 1024**2  # bytes
    memory_limit: int = 0
    restrained: bool = False
    terminals: list[FakeTerminal] = field(default_factory=list)  # all that were ever opened
    id: str = field(default_factory=lambda: secrets.token_hex(32))


@dataclass
class Program:
    """What a command does in any container: it writes these pieces, then ends."""

    pieces: Iterable[bytes] = ()
    status: int = 0
    held: asyncio.Event | None = None  # after the first piece, until it is set


class FakeHost:
    """A machine: containers by name, images by reference with their labels, and its events."""

    def __init__(self) -> None:
        self.containers: dict[str, FakeContainer] = {}
        self.images: dict[str, dict[str, str]] = {}
        self.programs: dict[tuple[str, ...], Program] = {}
        self.nudges = 0  # how often the proxy was made to list anew
        self._journal: list[tuple[float, dict[str, str]]] = []
        self._happened = asyncio.Condition()
        self._cuts = 0

    # -- what happens to containers by themselves ----------------------------------------------

    async def crash(self, name: str, *, exit_code: int = 1, out_of_memory: bool = False) -> None:
        crashed = self.containers[name]
        crashed.running = False
        crashed.exit_code = exit_code
        crashed.out_of_memory = out_of_memory
        await _end_terminals(crashed)
        await self.record(crashed)

    async def remove_outside(self, name: str) -> None:
        """As an admin does it, past the service."""
        removed = self.containers.pop(name)
        await _end_terminals(removed)
        await self.record(removed)

    async def pause(self, name: str) -> None:
        self.containers[name].paused = True
        await self.record(self.containers[name])

    async def rename(self, name: str, to: str) -> None:
        self.containers[to] = self.containers.pop(name)
        await self.record(self.containers[to])

    def say(self, name: str, *lines: str) -> None:
        self.containers[name].output.extend(lines)

    # -- its events ------------------------------------------------------------------------------

    async def cut_streams(self) -> None:
        """Every open event stream ends early."""
        async with self._happened:
            self._cuts += 1
            self._happened.notify_all()

    async def record(self, changed: FakeContainer) -> None:
        async with self._happened:
            self._journal.append((time.time(), changed.labels))
            self._happened.notify_all()

    async def happenings(self, since: float, until: float) -> AsyncGenerator[dict[str, str], None]:
        """The labels of each container to which something happened."""
        seen, cuts = 0, self._cuts

        def something_new() -> bool:
            return len(self._journal) > seen or self._cuts > cuts

        while self._cuts == cuts:
            for moment, labels in self._journal[seen:]:
                seen += 1
                if moment >= since:
                    yield labels
            try:
                async with asyncio.timeout(until - time.time()), self._happened:
                    await self._happened.wait_for(something_new)
            except TimeoutError:
                return


async def _end_terminals(ended: FakeContainer) -> None:
    for terminal in ended.terminals:
        await terminal.end(137)
