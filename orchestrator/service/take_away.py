"""A site's files and database on their way to their owner, packed while they are sent.

A program in the instance's own container writes a tar archive to its output; which one, says
`domain/take_away.py`. Here it gets a README before it and is compressed, piece by piece. Neither
memory nor disk ever holds it. Policy:

- One at a time for each visitor, a few in all, and no more than half of those from one address.
- It begins only once the program has begun an archive; until then an error is still an answer.
- What goes on for too long, grows too large, or ends badly is broken off. Then gzip's end is
  missing, so that no part of an archive can be taken for the whole.
- What the container writes is compressed and counted, never read: its owner may have had a hand in
  it.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain import take_away
from ..domain.distribution import TakeAway
from ..domain.engine_errors import CommandFailed, EngineError, PackingFailed
from ..domain.errors import NotToTake, UnknownDistribution
from ..domain.limits_exceeded import TooManyTakeAways
from ..domain.models import Caller, Instance, State
from ..domain.outages import TakeAwaysBusy
from ..engine.base import Engine

BEGINNING: Final = 60.0  # seconds until the archive begins; a database may be copied first
LEVEL: Final = 3  # of compression: less than half the time of the usual 6, and a seventh larger
WRITTEN: Final = 200  # bytes of what is no archive, for the log
GZIP: Final = 31  # zlib's word for it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TakeAwayPolicy:
    at_once: int  # of all visitors; 0 for none
    largest: int  # bytes, before they are compressed
    longest: float  # seconds


class TakeAways:
    def __init__(self, catalog: Catalog, engine: Engine, policy: TakeAwayPolicy) -> None:
        self._catalog = catalog
        self._engine = engine
        self._policy = policy
        self._under_way: dict[str, str] = {}  # owner → address, "" where nobody knows

    @property
    def longest(self) -> float:
        return self._policy.longest

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def possible(self, instance: Instance) -> bool:
        return self._policy.at_once > 0 and self._wanted(instance) is not None

    def _wanted(self, instance: Instance) -> TakeAway | None:
        """None where there is nothing to take, or not now."""
        try:
            wanted = self._catalog.get(instance.distribution).take_away
        except UnknownDistribution:
            return None
        return wanted if instance.state is State.READY and not instance.pooled else None

    @asynccontextmanager
    async def packed(
        self, caller: Caller, instance: Instance, readme: bytes
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """A tar.gz, for its owner, that begins with this tar entry. While it is iterated, it raises
        EngineError or EngineUnavailable where it has to be broken off.

        Raises NotToTake, TooManyTakeAways, TakeAwaysBusy, PackingFailed, EngineUnavailable.
        """
        wanted = self._wanted(instance)
        if wanted is None or not self._policy.at_once:
            raise NotToTake("This site cannot be downloaded.")
        command = take_away.command(wanted)
        with self._place(caller):
            async with aclosing(self._engine.output(instance.id, command)) as output:
                head = await _head(instance.id, output)
                async with aclosing(self._compressed(wanted, readme, head, output)) as pieces:
                    yield pieces

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        places, taken = self._policy.at_once, list(self._under_way.values())
        if caller.visitor in self._under_way:
            raise TooManyTakeAways
        neighbours = taken.count(caller.address) if caller.address else 0
        if len(taken) >= places or neighbours >= max(1, places // 2):
            raise TakeAwaysBusy
        self._under_way[caller.visitor] = caller.address
        try:
            yield
        finally:
            del self._under_way[caller.visitor]

    async def _compressed(
        self, wanted: TakeAway, readme: bytes, head: bytes, output: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        compressor = zlib.compressobj(LEVEL, wbits=GZIP)
        yield compressor.compress(readme + head)
        size = len(head)
        try:
            async for piece in output:
                size += len(piece)
                if size > self._policy.largest:
                    raise EngineError(f"It is larger than {self._policy.largest} bytes.")
                if ready := await asyncio.to_thread(compressor.compress, piece):
                    yield ready
        except CommandFailed as error:
            if not take_away.is_whole(wanted, error.status):
                raise
        yield compressor.flush()


async def _head(instance_id: str, output: AsyncGenerator[bytes, None]) -> bytes:
    """The first bytes, once they are an archive's. Raises PackingFailed, EngineUnavailable."""
    head, said = b"", ""
    try:
        async with asyncio.timeout(BEGINNING):
            async for piece in output:
                head += piece
                if len(head) >= take_away.BLOCK:
                    break
    except EngineError as error:
        said = error.message
    except TimeoutError:
        said = f"It has not begun within {BEGINNING:g} s."
    if not take_away.is_archive(head):
        written = head[:WRITTEN].decode(errors="replace")
        log.warning("packing failed", instance=instance_id, said=said, written=written)
        raise PackingFailed
    return head
