"""Whoever burns CPU time for long gives way to everybody else.

What an instance may use is limited (`limits.cpus`), and where the machine is short of CPU time all
have the same share. A fork bomb or a miner takes its share all the time, though, and a site whose
visitor clicks now and then waits for its turn at every click. So whoever has become hot
(`domain/fair_share.py`) has a small share, until it has cooled down. It is not slower for that
while nobody else needs the time.

Instances are measured (`meter.py`) only while some of the machine's CPU time is used, or somebody
is restrained. Who was restrained before this process began is not known: all begin with their
share, and with no heat.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain.distribution import Limits
from ..domain.engine_errors import EngineError
from ..domain.fair_share import Machine, Use, heats
from ..domain.models import State
from ..domain.outages import EngineUnavailable
from ..engine.base import Engine
from .ledger import Ledger
from .meter import Meter, Reading

INTERVAL: Final = 5.0  # seconds
HOT: Final = 0.999
COLD: Final = 0.001
BUSY: Final = 0.5  # cores; below, nobody burns much

log = structlog.get_logger(__name__)


class FairShare:
    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        ledger: Ledger,
        meter: Meter,
        machine: Callable[[], Machine],
    ) -> None:
        """`machine` tells its load since it was asked last."""
        self._limits = {each.slug: each.limits.cpus for each in catalog}
        self._engine = engine
        self._ledger = ledger
        self._meter = meter
        self._machine = machine
        self._heat: dict[str, float] = {}  # 0 to 1, by instance; without those that have none
        self._judged: dict[str, Reading] = {}  # the latest of each that was counted
        self._peak = 0.0  # the highest load since then
        self._from_before = [each.id for each in ledger.live.values() if each.state is State.READY]
        self.restrained: set[str] = set()  # instances' ids

    async def watch(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(INTERVAL)
            while self._from_before:
                await self._set(self._from_before.pop(), restrained=False)
            machine = self._machine()
            if self._heat or self.restrained or machine.load * machine.cores >= BUSY:
                await self.judge(self._meter.look(), machine)

    async def judge(self, readings: Mapping[str, Reading], machine: Machine) -> None:
        """What was judged before is not counted again."""
        self._peak = max(self._peak, machine.load)
        live = self._ledger.live
        self._judged = {each: old for each, old in self._judged.items() if each in live}
        self._heat = {each: heat for each, heat in self._heat.items() if each in live}
        self.restrained &= live.keys()
        uses = dict(self._new_uses(readings))
        if not uses:
            return
        for each, rise in heats(uses, Machine(machine.cores, self._peak)).items():
            self._heat[each] = min(max(self._heat.get(each, 0.0) + rise, 0.0), 1.0)
        self._judged |= {each: readings[each] for each in uses}
        self._peak = 0.0
        await self._restrain(each for each in uses if self._heat[each] > HOT)
        await self._release(each for each in uses if self._heat[each] < COLD)
        self._heat = {each: heat for each, heat in self._heat.items() if heat >= COLD}

    def _new_uses(self, readings: Mapping[str, Reading]) -> Iterable[tuple[str, Use]]:
        for each, reading in readings.items():
            instance = self._ledger.live.get(each)
            if instance and reading.cpu is not None and reading is not self._judged.get(each):
                limit = self._limits.get(instance.distribution, Limits().cpus)
                yield each, Use(reading.cpu, reading.seconds, limit)

    async def _restrain(self, hot: Iterable[str]) -> None:
        for each in hot:
            if each not in self.restrained and await self._set(each, restrained=True):
                self.restrained.add(each)
                log.info("gives way to others", instance=each)

    async def _release(self, cold: Iterable[str]) -> None:
        for each in cold:
            if each in self.restrained and await self._set(each, restrained=False):
                self.restrained.discard(each)
                log.info("has its share again", instance=each)

    async def _set(self, instance_id: str, *, restrained: bool) -> bool:
        """False where that has failed: the next judgement tries again."""
        try:
            await self._engine.restrain(instance_id, restrained=restrained)
        except (EngineError, EngineUnavailable) as error:
            log.info("share not changed", instance=instance_id, error=error.message)
            return False
        return True
