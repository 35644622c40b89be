"""What each instance uses of the machine: measured while somebody looks, else never. An admin does,
and `fair_share.py` while the machine has work.

Policy:

- A look answers at once with what is known, and has the rounds begin; they go on, one every
  `INTERVAL`, until nobody has looked for `WATCHED`, or for as long as they have said.
- A round asks for what is ready, the pool's too, at most `AT_ONCE` at a time, and is given up after
  `DEADLINE`. What is being started or removed is left alone, and while a visitor's launch or a
  removal is under way a round is put off, but never for longer than `PATIENCE`. Docker 20.10
  answers at its next whole second, so that fifty take four; it costs the machine some milliseconds.
- What a round has not reached keeps its figures until they are `STALE`.
- CPU time is what was used between two rounds; the first one knows none.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from ..domain.engine_errors import EngineError
from ..domain.models import State
from ..domain.outages import EngineUnavailable
from ..engine.base import Engine, Usage
from .background import Background
from .health import Health
from .ledger import Ledger

INTERVAL: Final = 5.0  # seconds from the beginning of one round to that of the next
WATCHED: Final = 60.0  # seconds
DEADLINE: Final = 10.0  # seconds
STALE: Final = 45.0  # seconds
PATIENCE: Final = 20.0  # seconds
AT_ONCE: Final = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    cpu: float | None  # cores, on average since the round before; None where that knew nothing
    memory: int  # bytes
    memory_limit: int  # bytes
    seconds: float = 0.0  # for which `cpu` is the average


@dataclass(frozen=True, slots=True)
class _Measured:
    usage: Usage
    reading: Reading
    measured_at: float  # monotonic


class Meter:
    def __init__(
        self, engine: Engine, ledger: Ledger, health: Health, background: Background
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._health = health
        self._background = background
        self._until = 0.0  # monotonic; when the rounds end
        self._measured_at = float("-inf")  # monotonic; the latest round
        self._known: dict[str, _Measured] = {}
        self.rounds = 0  # that are over

    def look(self, *, again_in: float | None = None) -> Mapping[str, Reading]:
        """By instance; without those of which nothing is known lately. Whoever looks again within
        so many seconds (`WATCHED`) finds what was measured meanwhile."""
        watched = WATCHED if again_in is None else again_in
        self._until = max(self._until, time.monotonic() + watched)
        self._background.once("meter", self._watch)
        since = time.monotonic() - STALE
        return {
            instance_id: each.reading
            for instance_id, each in self._known.items()
            if each.measured_at > since
        }

    async def _watch(self) -> None:
        while (began := time.monotonic()) < self._until:
            if not self._health.engine_away and not self._would_disturb(began):
                await self.measure()
            await asyncio.sleep(max(0.0, began + INTERVAL - time.monotonic()))
        self._known.clear()

    def _would_disturb(self, now: float) -> bool:
        live = self._ledger.live.values()
        at_work = any(
            each.state is State.STOPPING or (each.state is State.STARTING and not each.pooled)
            for each in live
        )
        return at_work and now < self._measured_at + PATIENCE

    async def measure(self) -> None:
        """One round."""
        self._measured_at = time.monotonic()
        live = self._ledger.live
        self._known = {key: each for key, each in self._known.items() if key in live}
        ready = [each.id for each in live.values() if each.state is State.READY]
        ready.sort(key=self._last_measured)  # else a short round would reach the same ones always
        lanes = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
                for instance_id in ready:
                    group.create_task(self._measure(instance_id, lanes))
        except TimeoutError:
            log.debug("not all instances could be measured in time", seconds=DEADLINE)
        self.rounds += 1

    def _last_measured(self, instance_id: str) -> float:
        known = self._known.get(instance_id)
        return known.measured_at if known else float("-inf")

    async def _measure(self, instance_id: str, lanes: asyncio.Semaphore) -> None:
        async with lanes:
            try:
                usage = await self._engine.usage(instance_id)
            except (EngineError, EngineUnavailable) as error:
                log.debug("not measured", instance=instance_id, error=error.message)
                return
        if usage is None:
            self._known.pop(instance_id, None)
            return
        before = self._known.get(instance_id)
        read = reading(before.usage if before else None, usage)
        self._known[instance_id] = _Measured(usage, read, time.monotonic())


def reading(before: Usage | None, now: Usage) -> Reading:
    """A counter that has gone back is another container's."""
    if before is None or now.at <= before.at or now.cpu < before.cpu:
        return Reading(None, now.memory, now.memory_limit)
    seconds = (now.at - before.at).total_seconds()
    return Reading((now.cpu - before.cpu) / seconds, now.memory, now.memory_limit, seconds)
