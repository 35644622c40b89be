"""Whoever uses all the CPU time there is, for long, gives way to everybody else.

What an instance may use is limited (`limits.cpus`), and where the machine is short of CPU time all
have the same share. A fork bomb or a miner takes its share all the time, though, and a site whose
visitor clicks now and then waits for its turn at every click. So whoever was greedy
(`domain/fair_share.py`) in two measurements in a row has a 64th of another's share, until it rests.
It is not slower for that while nobody else needs the time.

Instances are measured (`meter.py`) only while the machine is busy, or somebody is restrained. Who
was restrained before this process began is not known: unless it is greedy again, it keeps the small
share until its end.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain.fair_share import BUSY, Machine, greedy, resting
from ..domain.outages import EngineError, EngineUnavailable
from ..engine.base import Engine
from .ledger import Ledger
from .meter import Meter, Reading

INTERVAL: Final = 5.0  # seconds

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
        self._catalog = catalog
        self._engine = engine
        self._ledger = ledger
        self._meter = meter
        self._machine = machine
        self._greedy: dict[str, Reading] = {}  # the first measurement in a row that said so
        self.restrained: set[str] = set()  # instances' ids

    async def watch(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(INTERVAL)
            machine = self._machine()
            if machine.load >= BUSY or self.restrained:
                await self.judge(self._meter.look(), machine)
            else:
                self._greedy.clear()

    async def judge(self, readings: Mapping[str, Reading], machine: Machine) -> None:
        limits = self._limits()
        self.restrained &= limits.keys()
        used = {
            each: reading.cpu
            for each, reading in readings.items()
            if reading.cpu is not None and each in limits
        }
        found = greedy(used, limits, machine)
        self._greedy = {each: self._greedy.get(each, readings[each]) for each in found}
        for each in found - self.restrained:
            if readings[each] is not self._greedy[each]:
                await self._restrain(each, used[each])
        for each in self.restrained & resting(used, limits, machine):
            await self._release(each)

    def _limits(self) -> dict[str, float]:
        """In cores, of every live instance that is in the catalogue."""
        known = {each.slug: each.limits.cpus for each in self._catalog}
        live = self._ledger.live.values()
        return {each.id: known[each.distribution] for each in live if each.distribution in known}

    async def _restrain(self, instance_id: str, cores: float) -> None:
        if await self._set(instance_id, restrained=True):
            self.restrained.add(instance_id)
            log.info("gives way to others", instance=instance_id, cores=round(cores, 2))

    async def _release(self, instance_id: str) -> None:
        if await self._set(instance_id, restrained=False):
            self.restrained.discard(instance_id)
            log.info("has its share again", instance=instance_id)

    async def _set(self, instance_id: str, *, restrained: bool) -> bool:
        """False where that has failed: the next judgement tries again."""
        try:
            await self._engine.restrain(instance_id, restrained=restrained)
        except (EngineError, EngineUnavailable) as error:
            log.info("share not changed", instance=instance_id, error=error.message)
            return False
        return True
