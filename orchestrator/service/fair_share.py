"""Whoever burns CPU time for long gives way to everybody else.

What an instance may use is limited (`limits.cpus`), and where the machine is short of CPU time all
have the same share. A fork bomb or a miner takes its share all the time, though, and a site whose
visitor clicks now and then waits for its turn at every click. So whoever has become hot
(`domain/fair_share.py`) has a small share, until it has cooled down. It is not slower for that
while nobody else needs the time.

Instances are measured (`meter.py`) only while the machine has work, or somebody is not cold. What
was restrained by an earlier process is not known: so whatever is older than this one is given its
share once, when it is seen to be cold.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain.distribution import Limits
from ..domain.engine_errors import EngineError
from ..domain.fair_share import Machine, Use, rises
from ..domain.models import Instance
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
        self._began = ledger.now()
        self._heat: dict[str, float] = {}  # by instance; without the cold
        self._judged: dict[str, Reading] = {}  # the latest of each that was counted
        self._rounds = 0  # of measurements, that were judged
        self._peak = 0.0  # the highest load since then
        self._given_back: set[str] = set()  # of what is older than this process
        self.restrained: set[str] = set()  # instances' ids

    async def watch(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.look(self._machine())

    async def look(self, machine: Machine) -> None:
        """Judges what was measured since, by the highest load meanwhile."""
        self._peak = max(self._peak, machine.load)
        if not self._heat and not self.restrained and machine.load * machine.cores < BUSY:
            return
        readings = self._meter.look(again_in=3 * INTERVAL)
        if self._rounds != self._meter.rounds:
            await self.judge(readings, Machine(machine.cores, self._peak))
            self._rounds, self._peak = self._meter.rounds, 0.0

    async def judge(self, readings: Mapping[str, Reading], machine: Machine) -> None:
        """What was judged before is not counted again."""
        live = self._ledger.live
        self._judged = {each: old for each, old in self._judged.items() if each in live}
        self._heat = {each: heat for each, heat in self._heat.items() if each in live}
        self._given_back &= live.keys()
        self.restrained &= live.keys()
        uses = {
            each: self._use(live[each], reading, reading.cpu)
            for each, reading in readings.items()
            if each in live and reading.cpu is not None
        }
        found = rises(uses, machine)
        new = [each for each in uses if readings[each] is not self._judged.get(each)]
        for each in new:
            self._judged[each] = readings[each]
            self._heat[each] = min(max(self._heat.get(each, 0.0) + found[each], 0.0), 1.0)
        await self._change([each for each in new if self._is_to_change(live[each])])
        self._heat = {each: heat for each, heat in self._heat.items() if heat >= COLD}

    def _use(self, instance: Instance, reading: Reading, cores: float) -> Use:
        limit = self._limits.get(instance.distribution, Limits().cpus)
        return Use(cores, reading.seconds, limit)

    def _is_to_change(self, instance: Instance) -> bool:
        heat, restrained = self._heat[instance.id], instance.id in self.restrained
        older = instance.created_at < self._began and instance.id not in self._given_back
        return (heat > HOT and not restrained) or (heat < COLD and (restrained or older))

    async def _change(self, instances: Sequence[str]) -> None:
        """Where the engine refuses, the next judgement goes on."""
        for each in instances:
            hot = self._heat[each] > HOT
            try:
                await self._engine.restrain(each, restrained=hot)
            except (EngineError, EngineUnavailable) as error:
                log.info("share not changed", instance=each, error=error.message)
                return
            if hot:
                self.restrained.add(each)
                log.info("gives way to others", instance=each)
                continue
            self._given_back.add(each)
            if each in self.restrained:
                self.restrained.discard(each)
                log.info("has its share again", instance=each)
