"""When each distribution was last seen working: a launch that became ready, or a check of one in
the pool. Kept in memory, and read from the store at the start.
"""

from datetime import datetime, timedelta

from ..domain.models import Instance, State
from .ledger import Ledger
from .pool import Pool


class Verified:
    def __init__(self, ledger: Ledger, pool: Pool) -> None:
        self._ledger = ledger
        self._pool = pool
        self._ready_at: dict[str, datetime] = {}  # by slug
        ledger.listen(self._hear)

    async def load(self) -> None:
        for slug, moment in (await self._ledger.store.last_ready()).items():
            self._seen(slug, moment)

    def last(self, slug: str) -> datetime | None:
        """None where nothing is known."""
        checks = [
            self._ledger.now() - timedelta(seconds=self._pool.since_passed(member))
            for member in self._pool.members(slug)
            if self._pool.is_warm(member)
        ]
        known = self._ready_at.get(slug)
        return max([*checks, *([known] if known else [])], default=None)

    def _hear(self, instance: Instance) -> None:
        if instance.state is State.READY and instance.ready_at is not None:
            self._seen(instance.distribution, instance.ready_at)

    def _seen(self, slug: str, moment: datetime) -> None:
        self._ready_at[slug] = max(moment, self._ready_at.get(slug, moment))
