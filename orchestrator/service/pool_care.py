"""Keeps the pool good: ends what is out of date or too much, and checks what is due.

Every pooled instance is asked for its page soon after it is ready (an application's second page is
slower than those that follow, too), then every `CHECK_INTERVAL`, a few at a time. One that answers
wrongly is replaced at once, unseen; one that does not answer, after `FRESH` seconds (it is not
handed over by then), and only while the proxy is well: else it is not the site's fault. An end is
conditional: what has been claimed meanwhile is left alone.
"""

import asyncio
from typing import Final

from ..catalog import Catalog
from ..domain.errors import UnknownDistribution
from ..domain.models import Instance, Stage, State
from ..domain.naming import hostname
from .health import Health
from .pool import FRESH, Pool
from .pool_sizes import PoolSizes
from .readiness import ATTEMPT_DEADLINE, Probe, Verdict, judge

CHECK_INTERVAL: Final = 20.0  # seconds between two readiness checks of a pooled instance
CHECKS_AT_ONCE: Final = 4
TEND_INTERVAL: Final = 2.0  # seconds


class PoolCare:
    def __init__(
        self,
        catalog: Catalog,
        pool: Pool,
        sizes: PoolSizes,
        probe: Probe,
        health: Health,
        *,
        instance_domain: str,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._sizes = sizes
        self._probe = probe
        self._health = health
        self._at_once = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._asked: set[str] = set()  # ids of members
        self._instance_domain = instance_domain

    async def tend(self) -> None:
        """For ever."""
        while True:
            await self._retire()
            await asyncio.gather(*map(self._check, self._due()))
            await asyncio.sleep(TEND_INTERVAL)

    def _due(self) -> list[Instance]:
        ready = {each.id: each for each in self._pool.members() if each.state is State.READY}
        self._asked &= ready.keys()
        return [
            member
            for member in ready.values()
            if member.id not in self._asked or self._pool.since_passed(member) >= CHECK_INTERVAL
        ]

    async def _retire(self) -> None:
        for member in self._pool.members():
            if not self._pool.is_current(member):
                await self._pool.end(member, "The distribution or its image has changed.")
        for stock in self._sizes.stocks():
            members = self._pool.members(stock.distribution.slug)
            ready = [member for member in members if member.state is State.READY]
            for member in ready[: max(0, stock.size - stock.target)]:
                await self._pool.end(member, "There are more than are needed.")

    async def _check(self, member: Instance) -> None:
        self._asked.add(member.id)
        verdict = await self._ask(member)
        if verdict is None or member not in self._pool.members():
            return  # claimed, or ended, meanwhile
        if verdict.stage is Stage.READY:
            self._pool.passed(member)
        elif verdict.stage is Stage.CHECKING or await self._is_to_blame(member):
            self._pool.back_off(member.distribution)
            await self._pool.end(member, f"It failed a check: {verdict.explanation}")

    async def _ask(self, member: Instance) -> Verdict | None:
        """None where its distribution has left the catalogue."""
        try:
            wanted = self._catalog.get(member.distribution).readiness
        except UnknownDistribution:
            return None
        host = hostname(member.id, None, self._instance_domain)
        async with self._at_once:
            try:
                async with asyncio.timeout(ATTEMPT_DEADLINE):
                    answer = await self._probe.ask(host, wanted.path)
            except TimeoutError:
                return Verdict(Stage.BOOTING, f"No answer within {ATTEMPT_DEADLINE:g} s.")
        return judge(answer, wanted, member.id)

    async def _is_to_blame(self, member: Instance) -> bool:
        """It has been silent for long, and the way through the proxy is well."""
        if self._pool.silent_for(member) < FRESH:
            return False
        return not any(check.error for check in await self._health.checks())
