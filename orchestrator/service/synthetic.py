"""The synthetic launch: whether the whole path works, proved by going it.

Every `interval` one small instance is launched as a visitor's would be, but never from the pool:
admitted, started, asked for through the proxy until it is ready, its page read once more, deleted,
and gone. Whatever breaks on the way is found here before a visitor finds it.

Policy:

- It takes nothing from a visitor. It is skipped, with the reason, while no place is free, while
  anybody queues, and while launches are paused or refused for want of room; and it is given up as
  soon as a visitor queues for the place that it holds. It counts neither as a site nor as demand.
- It leaves nothing behind: whatever happens it is deleted, what a crash has left is deleted before
  the next one, and its lease ends soon in any case.
- Nobody's launch is refused on its account; what it says is in `synthetic_record.py`.
- Where its image or distribution is not there, it is skipped: that is told elsewhere.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import DistributionBanned, DistrosError, UnknownDistribution
from ..domain.history import Count, What
from ..domain.models import SYNTHETIC, Caller, Instance, Reason, Stage, State
from ..domain.naming import hostname
from ..domain.outages import (
    EngineUnavailable,
    ImageMissing,
    ProxyUnavailable,
    StoreUnavailable,
    Unavailable,
)
from .endings import Endings
from .launcher import Launcher
from .ledger import Ledger, is_settled
from .readiness import ATTEMPT_DEADLINE, Probe, judge
from .synthetic_record import Record, Run

FIRST_AFTER: Final = 60.0  # seconds from the start of the service, at most
LIFETIME: Final = timedelta(seconds=60)
QUEUE_DEADLINE: Final = 30.0  # seconds, beside the distribution's own deadline
REMOVAL_DEADLINE: Final = 30.0  # seconds

_BROKEN: Final = (EngineUnavailable, ProxyUnavailable, StoreUnavailable)
_CALLER: Final = Caller(visitor=SYNTHETIC, admin=True)


class _Failed(Exception):
    """The message is a sentence."""


class _Skipped(Exception):
    """Likewise."""


class Synthetic:
    """`interval` in seconds; 0 for never."""

    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        launcher: Launcher,
        endings: Endings,
        probe: Probe,
        *,
        slug: str,
        interval: float,
        capacity: int,
        instance_domain: str,
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._launcher = launcher
        self._endings = endings
        self._probe = probe
        self.slug = slug
        self._interval = interval
        self._capacity = capacity
        self._instance_domain = instance_domain
        self._wanted_by_visitor = asyncio.Event()
        self.record = Record()
        ledger.listen(self._hear)

    @property
    def enabled(self) -> bool:
        return self._interval > 0

    async def watch(self) -> None:
        """For ever."""
        pause = min(FIRST_AFTER, self._interval)
        while True:
            await asyncio.sleep(pause)
            await self.run()
            pause = self._interval

    async def run(self) -> Run:
        """One launch; what has become of it."""
        for left in self._ledger.of(SYNTHETIC):
            await self._endings.end(left.id, Reason.DELETED, "Left behind by an earlier process.")
        run = Run(self._ledger.now())
        try:
            await self._go(run)
        except _Skipped as reason:
            run.outcome, run.why = "skipped", f"{reason}"
        except _Failed as reason:
            run.outcome, run.why = "failed", f"{reason}"
        except DistrosError as error:
            run.outcome, run.why = "failed", error.message
        self.record.add(run)
        await self._count(run)
        return run

    async def _count(self, run: Run) -> None:
        """For the history of days; a store that is away loses one."""
        one = Count(run.at.date(), self.slug, What.SYNTHETIC, run.outcome, 1)
        with suppress(StoreUnavailable):
            await self._ledger.store.count(one)

    async def _go(self, run: Run) -> None:
        distribution = self._distribution()
        self._require_room()
        self._wanted_by_visitor.clear()
        with run.timed("launch"):
            instance = await self._launch()
        try:
            with run.timed("ready"):
                await self._until_ready(instance, distribution)
            with run.timed("page"):
                await self._read_page(instance, distribution)
        finally:
            ending = await self._endings.end(instance.id, Reason.DELETED)
        with run.timed("gone"):
            if ending is not None:
                await self._until_gone(instance)

    def _distribution(self) -> Distribution:
        try:
            return self._catalog.get(self.slug)
        except UnknownDistribution as error:
            raise _Skipped(error.message) from error

    def _require_room(self) -> None:
        counts = self._ledger.counts()
        if counts.queued:
            raise _Skipped("Visitors queue.")
        if counts.placed >= self._capacity:
            raise _Skipped("No place is free.")

    async def _launch(self) -> Instance:
        try:
            return await self._launcher.launch(_CALLER, self.slug, lifetime=LIFETIME, cold=True)
        except _BROKEN:
            raise
        except (ImageMissing, DistributionBanned, Unavailable) as error:  # or a pause, or no room
            raise _Skipped(error.message) from error

    async def _until_ready(self, instance: Instance, distribution: Distribution) -> None:
        seconds = QUEUE_DEADLINE + distribution.readiness.deadline.total_seconds()
        settled = await self._unless_wanted(
            self._becomes(instance, is_settled), seconds, f"Not ready within {seconds:g} s."
        )
        if settled.state is not State.READY:
            raise _Failed(settled.detail or f"It ended: {settled.reason}.")

    async def _unless_wanted(
        self, work: "asyncio.Task[Instance]", seconds: float, late: str
    ) -> Instance:
        """Raises _Skipped once a visitor needs its place, _Failed after so many seconds."""
        wanted = asyncio.create_task(self._wanted_by_visitor.wait())
        try:
            await asyncio.wait({work, wanted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise _Skipped("A visitor needed its place.") if wanted.done() else _Failed(late)
        finally:
            work.cancel()
            wanted.cancel()

    def _becomes(
        self, instance: Instance, wanted: Callable[[Instance], bool]
    ) -> "asyncio.Task[Instance]":
        async def wait() -> Instance:
            return await self._ledger.until(instance.id, wanted) or instance

        return asyncio.create_task(wait())

    async def _read_page(self, instance: Instance, distribution: Distribution) -> None:
        """As its visitor would, once more: readiness has asked from within the launch."""
        wanted = distribution.readiness
        host = hostname(instance.id, None, self._instance_domain)
        try:
            async with asyncio.timeout(ATTEMPT_DEADLINE):
                answer = await self._probe.ask(host, wanted.path)
        except TimeoutError as error:
            raise _Failed(f"No answer within {ATTEMPT_DEADLINE:g} s.") from error
        verdict = judge(answer, wanted, instance.id)
        if verdict.stage is not Stage.READY:
            raise _Failed(verdict.explanation)

    async def _until_gone(self, instance: Instance) -> None:
        ended = self._becomes(instance, lambda now: now.state.ended)
        late = f"Not removed within {REMOVAL_DEADLINE:g} s."
        try:
            async with asyncio.timeout(REMOVAL_DEADLINE):
                await ended
        except TimeoutError as error:
            raise _Failed(late) from error

    def _hear(self, _: Instance) -> None:
        """A visitor who queues while no place is free needs this one, whichever came first."""
        counts = self._ledger.counts()
        own = sum(each.state is State.QUEUED for each in self._ledger.of(SYNTHETIC))
        if counts.queued > own and counts.placed >= self._capacity:
            self._wanted_by_visitor.set()
