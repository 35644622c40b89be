"""How long until a launch is ready: from what was measured, and the ends of leases that are known.

Where neither helps (more wait than leases are known to end, the engine is away, a start takes
longer than nine of ten), there is no estimate, rather than a wrong one.
"""

import time

from ..domain.models import LEASED, Instance, State
from ..domain.queueing import Outlook, seconds_until_started
from .health import Health
from .ledger import Ledger
from .pace import Pace
from .pool import Pool
from .waiting import Waiting

HOLDS = 1.0  # seconds; computed once for all who ask


class Estimates:
    def __init__(
        self,
        ledger: Ledger,
        waiting: Waiting,
        pool: Pool,
        pace: Pace,
        health: Health,
        *,
        capacity: int,
        turns: int,
    ) -> None:
        self._ledger = ledger
        self._waiting = waiting
        self._pool = pool
        self._pace = pace
        self._health = health
        self._capacity = capacity
        self._turns = turns
        self._waits: dict[str, float | None] = {}  # of all who wait
        self._computed_at = float("-inf")  # monotonic

    def remaining(self, instance: Instance) -> tuple[float, float] | None:
        """Seconds until it is ready: usually, and at worst. None where nobody can say."""
        if self._health.engine_away:
            return None
        if instance.state is not State.QUEUED:
            return self._pace.remaining(instance)
        if time.monotonic() - self._computed_at > HOLDS or instance.id not in self._waits:
            self._compute()
        waits = self._waits.get(instance.id)
        if waits is None:
            return None
        slug = instance.distribution
        return waits + self._pace.usual(slug), waits + self._pace.at_worst(slug)

    def _compute(self) -> None:
        now = self._ledger.now()
        live = list(self._ledger.live.values())
        ends = [0.0 for each in live if each.state is State.STOPPING]
        ends += sorted(
            (each.expires_at - now).total_seconds()
            for each in live
            if each.state in LEASED and not each.pooled
        )
        # The pool gives its places up for those who wait.
        free = max(0, self._capacity - self._ledger.counts().placed) + len(self._pool)
        starting = (each for each in live if each.state is State.STARTING and not each.pooled)
        ahead = sum(self._pace.turn_left(each) for each in starting)
        self._waits = {}
        for position, instance in enumerate(self._waiting.in_order(), start=1):
            outlook = Outlook(free, ends, ahead / self._turns)
            self._waits[instance.id] = seconds_until_started(position, outlook)
            ahead += self._pace.turn(instance.distribution)
        self._computed_at = time.monotonic()
