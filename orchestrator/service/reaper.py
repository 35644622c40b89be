"""The reaper: removes what has expired, and notices what has ended by itself.

Two loops, neither of which needs the other. *Deadlines* ends every lease on time from the ledger
alone: an event is never needed for an expiry to happen. *Events* consumes the engine's list and
stream: an event only names an instance, a fresh look decides (`looks.py`). Each list is compared
with everything else (`reconciler.py`), and the images are looked up anew.
"""

import asyncio
from contextlib import aclosing, suppress
from datetime import timedelta

import structlog

from ..domain.limits import WINDOW
from ..domain.models import State
from ..engine.base import Changed, Engine, Listed, Lost
from ..failpoints import failpoint
from .background import Background
from .consumer import Consumer
from .deadlines import Deadlines
from .endings import Endings
from .health import Health
from .images import Images
from .ledger import Ledger
from .looks import Looks
from .reconciler import Reconciler

log = structlog.get_logger(__name__)

LONGEST_SLEEP = 1.0  # seconds; a clock that jumps is noticed within this
FORGET_INTERVAL = 3600.0  # seconds
AUDIT_KEPT = timedelta(days=365)
COUNTS_KEPT = timedelta(days=365)


class Reaper:
    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        endings: Endings,
        deadlines: Deadlines,
        looks: Looks,
        reconciler: Reconciler,
        images: Images,
        health: Health,
        consumer: Consumer,
        background: Background,
        *,
        history: timedelta,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._endings = endings
        self._deadlines = deadlines
        self._looks = looks
        self._reconciler = reconciler
        self._images = images
        self._health = health
        self._consumer = consumer
        self._background = background
        self._history = history

    # -- deadlines ---------------------------------------------------------------------------

    async def expire(self) -> None:
        while True:
            self._ledger.changed.clear()
            now = self._ledger.now()
            soonest = self._deadlines.next()
            if soonest is None or soonest[0] > now:
                await self._pause(soonest[0] - now if soonest else None)
            else:
                failpoint("expire.deciding")
                if await self._endings.expire(soonest[1], now) is None:
                    await self._ledger.refresh(soonest[1])  # memory was behind

    async def _pause(self, until_next: timedelta | None) -> None:
        """Until the next deadline, or the next change, or a second has passed."""
        pause = LONGEST_SLEEP
        if until_next is not None:
            pause = min(pause, until_next.total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._ledger.changed.wait()

    async def forget(self) -> None:
        while True:
            now = self._ledger.now()
            await self._ledger.store.forget_launches(before=now - WINDOW)
            await self._ledger.store.safeguards.forget_audit(before=now - AUDIT_KEPT)
            await self._ledger.store.forget_counts(before=(now - COUNTS_KEPT).date())
            if count := await self._ledger.store.forget(ended_before=now - self._history):
                log.info("forgot ended instances", count=count)
            await asyncio.sleep(FORGET_INTERVAL)

    # -- events ------------------------------------------------------------------------------

    async def events(self) -> None:
        async with self._consumer.watchdog() as heard, aclosing(self._engine.events()) as events:
            async for event in events:
                heard(event)
                match event:
                    case Listed(observations):
                        self._health.engine_is_back()
                        await self._reconciler.reconcile(observations)
                        self._background.once("look at images", self._images.look_quietly)
                    case Lost():
                        self._health.engine_is_away()
                    case Changed(instance_id):
                        if self._is_news(instance_id):
                            self._looks.look_soon(instance_id)

    def _is_news(self, instance_id: str) -> bool:
        """Else these are the events of our own removal, which sees to it that it succeeds; a
        container that is left over, or that has no row, is found by the next list."""
        row = self._ledger.live.get(instance_id)
        return row is not None and row.state is not State.STOPPING
