"""Keeps the pool good: ends what is out of date or too much, and checks what is due.

Every pooled instance is asked for its page every `CHECK_INTERVAL`; one that does not answer as it
should is replaced, unseen. An end is conditional: what has been claimed meanwhile is left alone.
"""

import asyncio
from typing import Final

from ..catalog import Catalog
from ..domain.models import Instance, Stage, State
from ..domain.naming import hostname
from .pool import Pool
from .pool_sizes import PoolSizes
from .readiness import Probe, judge

CHECK_INTERVAL: Final = 20.0  # seconds between two readiness checks of a pooled instance
TEND_INTERVAL: Final = 2.0  # seconds


class PoolCare:
    def __init__(
        self, catalog: Catalog, pool: Pool, sizes: PoolSizes, probe: Probe, *, instance_domain: str
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._sizes = sizes
        self._probe = probe
        self._instance_domain = instance_domain

    async def tend(self) -> None:
        """For ever."""
        while True:
            await self._retire()
            for member in self._pool.members():
                if (
                    member.state is State.READY
                    and self._pool.since_passed(member) >= CHECK_INTERVAL
                ):
                    await self._check(member)
            await asyncio.sleep(TEND_INTERVAL)

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
        wanted = self._catalog.get(member.distribution).readiness
        host = hostname(member.id, None, self._instance_domain)
        verdict = judge(await self._probe.ask(host, wanted.path), wanted, member.id)
        if member not in self._pool.members():
            return  # claimed, or ended, meanwhile
        if verdict.stage is Stage.READY:
            self._pool.passed(member)
        else:
            self._pool.back_off(member.distribution)
            await self._pool.end(member, f"It failed a check: {verdict.explanation}")
