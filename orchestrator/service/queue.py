"""Who starts next: visitors in fair order, and the pool when no visitor waits.

A launch needs a *place* (one of the capacity) and a *turn* (one of the starts at once). Whoever is
next in order gets both, or everybody waits. (What the pool has is claimed without a turn.) Where
all places are taken, the pool gives one up. A start gives its turn back once its container runs, or
while its image is fetched.

Whatever frees a place or a turn wakes the queue; beside that it looks once a second. While the
engine, the proxy or the store is away nobody is started, so that nobody fails; while removals are
behind neither, so that no lease outlives its end. Nor is anybody before it is `open`: what ran
before this process counts for the capacity, and its rows may be lost.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution, UnknownInstance
from ..domain.models import Instance, Reason, State
from ..failpoints import failpoint
from .background import Background
from .endings import Endings
from .health import Health
from .ledger import Ledger
from .pool import Pool
from .pool_sizes import PoolSizes
from .starter import Starter
from .waiting import Waiting

LOOK_INTERVAL = 1.0  # seconds
POOL_TURNS = 1  # starts at once for the pool


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    capacity: int  # instances at once
    turns: int  # starts at once


class Queue:
    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        waiting: Waiting,
        starter: Starter,
        pool: Pool,
        sizes: PoolSizes,
        endings: Endings,
        health: Health,
        background: Background,
        policy: QueuePolicy,
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._waiting = waiting
        self._starter = starter
        self._pool = pool
        self._sizes = sizes
        self._endings = endings
        self._health = health
        self._background = background
        self._policy = policy
        self._turns: dict[str, Instance] = {}  # starts under way that keep others waiting
        self._woken = asyncio.Event()
        self.is_open = False
        ledger.listen(lambda _: self._woken.set())

    async def run(self) -> None:
        """For ever: starts whoever is next."""
        while True:
            self._woken.clear()
            while await self._start_next():
                pass
            for instance_id in self._waiting.left():
                why = "Nobody waited for it any longer."
                await self._endings.end(instance_id, Reason.DELETED, why)
            quiet = self._pool.quiet_for
            with suppress(TimeoutError):
                async with asyncio.timeout(quiet if 0 < quiet < LOOK_INTERVAL else LOOK_INTERVAL):
                    await self._woken.wait()

    def open(self) -> None:
        """All that runs has a row."""
        self.is_open = True
        self._woken.set()

    def resume(self, instance: Instance) -> None:
        """A launch that an earlier process left half-way goes on. One that queues is known."""
        if instance.state is State.STARTING:
            self._begin(instance, resumed=True)

    async def _start_next(self) -> bool:
        """False where nobody can be started now."""
        if not self.is_open or len(self._turns) >= self._policy.turns or self._endings.behind:
            return False
        if await self._is_anything_away():
            return False
        if (first := self._waiting.first()) is not None:
            return await self._start_visitor(first)
        full = self._ledger.counts().placed >= self._policy.capacity
        if sum(each.pooled for each in self._turns.values()) >= POOL_TURNS or full:
            return False
        wanted = self._sizes.wanted()
        return wanted is not None and await self._start_pooled(wanted)

    async def _is_anything_away(self) -> bool:
        """Asks again, where somebody waits for it."""
        if self._health.trouble and self._waiting:
            await self._health.checks()
        return self._health.trouble is not None

    async def _start_visitor(self, instance: Instance) -> bool:
        failpoint("launch.placing")
        try:
            placed = self._ledger.told(
                await self._ledger.store.place(
                    instance.id,
                    capacity=self._policy.capacity,
                    expires_at=self._ledger.now() + self._deadline(instance) + instance.lifetime,
                    egress=self._reaches_out(instance),
                )
            )
        except UnknownInstance:  # its row is lost
            await self._ledger.refresh(instance.id)
            return True
        if placed is None:
            # A place is free once the removal is confirmed; then the queue is woken.
            turns = self._policy.turns - len(self._turns)
            await self._pool.give_way(min(turns, len(self._waiting)))
            return False
        if placed.state is State.STARTING:
            failpoint("launch.placed")
            self._begin(placed)
        return True

    def _deadline(self, instance: Instance) -> timedelta:
        try:
            return self._catalog.get(instance.distribution).readiness.deadline
        except UnknownDistribution:  # it has left the catalogue since: the start will say so
            return timedelta()

    def _reaches_out(self, instance: Instance) -> bool:
        try:
            return self._catalog.get(instance.distribution).reaches_out
        except UnknownDistribution:
            return False

    async def _start_pooled(self, distribution: Distribution) -> bool:
        failpoint("pool.stocking")
        stocked = self._ledger.told(
            await self._ledger.store.stock(
                self._pool.new(distribution),
                capacity=self._policy.capacity,
                egress=distribution.reaches_out,
            )
        )
        if stocked is not None:
            failpoint("pool.stocked")
            self._begin(stocked)
        return stocked is not None

    def _begin(self, instance: Instance, *, resumed: bool = False) -> None:
        def give_back() -> None:
            if self._turns.pop(instance.id, None) is not None:
                self._woken.set()

        async def bring_up() -> None:
            try:
                await self._starter.bring_up(instance, give_back, resumed=resumed)
            finally:
                give_back()

        request = self._waiting.request_of(instance.id)
        if self._background.once(f"launch {instance.id}", bring_up, request):
            self._turns[instance.id] = instance
