"""Who starts next: visitors in fair order, and the pool when no visitor waits.

A launch needs a *place* (one of the capacity) and a *turn* (one of the starts at once). Whoever is
next in fair order gets both, or everybody waits: nobody overtakes. Where all places are taken, the
pool gives one up. A start gives its turn back once its container runs.

Whatever frees a place or a turn wakes the queue; beside that it looks once a second, for the pool.

A visitor who has left (no page, stream or request has asked for the launch for `LEFT_AFTER`
seconds) loses the place in the queue. An admin's program need not ask.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.models import ADMIN, PLACED, Instance, Reason, State
from ..domain.queueing import Outlook, fair_order, seconds_until_started
from .background import Background
from .deadlines import Deadlines
from .endings import Endings
from .ledger import Ledger
from .pace import Pace
from .pool import Pool
from .pool_sizes import PoolSizes
from .starter import Starter

LOOK_INTERVAL = 1.0  # seconds
LEFT_AFTER = 60.0  # seconds
POOL_TURNS = 1  # starts at once for the pool

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    capacity: int  # instances at once
    turns: int  # starts at once


class Queue:
    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        starter: Starter,
        pool: Pool,
        sizes: PoolSizes,
        endings: Endings,
        deadlines: Deadlines,
        pace: Pace,
        background: Background,
        policy: QueuePolicy,
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._starter = starter
        self._pool = pool
        self._sizes = sizes
        self._endings = endings
        self._deadlines = deadlines
        self._pace = pace
        self._background = background
        self._policy = policy
        self._waiting: dict[str, Instance] = {}  # in order of arrival
        self._contexts: dict[str, Context] = {}  # of the requests, for the log
        self._turns: dict[str, Instance] = {}  # starts under way that keep others waiting
        self._attended: Counter[str] = Counter()  # by whom asks right now
        self._seen: dict[str, float] = {}  # when somebody last asked (monotonic)
        self._order: tuple[str, ...] | None = None  # computed when asked for
        self._outlook: tuple[float, Outlook | None] = (0.0, None)  # and when it was (monotonic)
        self._woken = asyncio.Event()
        ledger.listen(self._hear)

    def _hear(self, instance: Instance) -> None:
        self._order = None
        if instance.state is State.QUEUED:
            self._contexts.setdefault(instance.id, copy_context())
            self._waiting[instance.id] = instance
            if instance.owner != ADMIN:
                self._seen.setdefault(instance.id, time.monotonic())
        else:
            self._waiting.pop(instance.id, None)
            self._seen.pop(instance.id, None)
            if instance.state is not State.STARTING:
                self._contexts.pop(instance.id, None)
        self._woken.set()

    # -- what it tells -------------------------------------------------------------------------

    def position(self, instance_id: str) -> int | None:
        """1 for the next one; None where it does not wait."""
        if instance_id not in self._waiting:
            return None
        return self._fair().index(instance_id) + 1

    def __len__(self) -> int:
        return len(self._waiting)

    def remaining(self, instance: Instance) -> tuple[float, float] | None:
        """Seconds until it is ready: usually, and at worst. None where nobody can say."""
        position = self.position(instance.id)
        if position is None:
            return self._pace.remaining(instance)
        slug = instance.distribution
        waits = seconds_until_started(position, self._look_ahead(), self._pace.turn(slug))
        if waits is None:
            return None
        return waits + self._pace.usual(slug), waits + self._pace.at_worst(slug)

    @contextmanager
    def attended(self, instance_id: str) -> Iterator[None]:
        """While somebody waits for this launch, it keeps its place."""
        self._attended[instance_id] += 1
        try:
            yield
        finally:
            self._attended[instance_id] -= 1
            if not self._attended[instance_id]:
                del self._attended[instance_id]
            self.seen(instance_id)

    def seen(self, instance_id: str) -> None:
        """Somebody has asked for it."""
        if instance_id in self._seen:
            self._seen[instance_id] = time.monotonic()

    def _fair(self) -> tuple[str, ...]:
        if self._order is None:
            live = self._ledger.live.values()
            held = Counter(each.owner for each in live if each.state in PLACED)
            self._order = fair_order(self._waiting.values(), held)
        return self._order

    def _look_ahead(self) -> Outlook:
        """Computed once a second, for all who ask."""
        computed_at, outlook = self._outlook
        if outlook is None or time.monotonic() - computed_at > LOOK_INTERVAL:
            now = self._ledger.now()
            placed = sum(each.state in PLACED for each in self._ledger.live.values())
            outlook = Outlook(
                free_places=max(0, self._policy.capacity - placed) + len(self._pool),
                ends=[(end - now).total_seconds() for end in self._deadlines.ends()],
                turns=self._policy.turns,
                under_way=len(self._turns),
            )
            self._outlook = (time.monotonic(), outlook)
        return outlook

    # -- what it does --------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever: starts whoever is next."""
        while True:
            self._woken.clear()
            while await self._start_next():
                pass
            await self._let_go()
            pause = self._pool.pause
            with suppress(TimeoutError):
                async with asyncio.timeout(pause if 0 < pause < LOOK_INTERVAL else LOOK_INTERVAL):
                    await self._woken.wait()

    def resume(self, instance: Instance) -> None:
        """A launch that an earlier process left half-way goes on. One that queues is known."""
        if instance.state is State.STARTING:
            self._begin(instance)

    async def _start_next(self) -> bool:
        """False where nobody can be started now."""
        if len(self._turns) >= self._policy.turns:
            return False
        if self._waiting:
            return await self._start_visitor(self._waiting[self._fair()[0]])
        wanted = self._sizes.wanted()
        pooled = sum(each.pooled for each in self._turns.values())
        return wanted is not None and pooled < POOL_TURNS and await self._start_pooled(wanted)

    async def _start_visitor(self, instance: Instance) -> bool:
        placed = self._ledger.told(
            await self._ledger.store.place(
                instance.id,
                capacity=self._policy.capacity,
                expires_at=self._ledger.now() + self._deadline(instance) + instance.lifetime,
            )
        )
        if placed is None:
            # A place is free once the removal is confirmed; then the queue is woken.
            turns = self._policy.turns - len(self._turns)
            await self._pool.give_way(min(turns, len(self._waiting)))
            return False
        if placed.state is State.STARTING:
            self._begin(placed)
        return True

    def _deadline(self, instance: Instance) -> timedelta:
        try:
            return self._catalog.get(instance.distribution).readiness.deadline
        except UnknownDistribution:  # it has left the catalogue since: the start will say so
            return timedelta()

    async def _start_pooled(self, distribution: Distribution) -> bool:
        stocked = await self._ledger.store.stock(
            self._pool.new(distribution), capacity=self._policy.capacity
        )
        if stocked is None:
            return False
        self._ledger.publish(stocked)
        self._begin(stocked)
        return True

    def _begin(self, instance: Instance) -> None:
        def give_back() -> None:
            if self._turns.pop(instance.id, None) is not None:
                self._woken.set()

        async def bring_up() -> None:
            try:
                await self._starter.bring_up(instance, give_back)
            finally:
                give_back()

        context = self._contexts.pop(instance.id, None)
        if self._background.once(f"launch {instance.id}", bring_up, context):
            self._turns[instance.id] = instance

    async def _let_go(self) -> None:
        """Ends the waiting of visitors who have left."""
        left = time.monotonic() - LEFT_AFTER
        for instance_id, seen in list(self._seen.items()):
            if seen < left and instance_id not in self._attended:
                await self._endings.end(
                    instance_id, Reason.DELETED, "Nobody waited for it any longer."
                )
