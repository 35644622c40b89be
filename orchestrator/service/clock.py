"""The time by which leases run: steady, whatever happens to the wall clock.

`SteadyClock` is the wall clock of its start, carried on by the kernel's clock that nobody can set
(and that goes on while the machine sleeps). Each second the wall clock is compared with it. What
they differ by up to `TOLERANCE` is drift, which NTP corrects all the time: it is followed. More is
a *step* (NTP's first answer, an admin): then every live lease is moved by the step in one write,
memory follows, and only then does the clock. So everybody keeps the time that was left, in both
directions, and what is written is right by the new wall clock, also after a restart. While the
store is away the old time goes on, and nobody notices.

The labels of containers cannot be moved: after a lost database they say the old end.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from .insist import insist
from .ledger import Clock, Ledger, utc_now

log = structlog.get_logger(__name__)

TOLERANCE: Final = timedelta(seconds=2)
LOOK_INTERVAL: Final = 1.0  # seconds

# With the time that the machine has slept, where the system knows it (Linux).
_KERNEL_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def kernel_time() -> float:
    return time.clock_gettime(_KERNEL_CLOCK)


class SteadyClock:
    """`wall` is the clock that people set; `kernel` counts seconds, and nobody sets it."""

    def __init__(self, wall: Clock = utc_now, kernel: Callable[[], float] = kernel_time) -> None:
        self._wall = wall
        self._kernel = kernel
        self._base = wall()
        self._based_at = kernel()

    def __call__(self) -> datetime:
        return self._base + timedelta(seconds=self._kernel() - self._based_at)

    def ahead(self) -> timedelta:
        """By how much the wall clock is ahead of this one; negative where it is behind."""
        return self._wall() - self()

    def move(self, by: timedelta) -> None:
        now = self() + by
        self._base, self._based_at = now, self._kernel()


async def keep(clock: SteadyClock, ledger: Ledger) -> None:
    """For ever: follows the wall clock's drift, and takes the leases along at each step."""
    while True:
        ahead = clock.ahead()
        if abs(ahead) <= TOLERANCE:
            clock.move(ahead)
        else:
            await _step(clock, ledger, ahead)
        await asyncio.sleep(LOOK_INTERVAL)


async def _step(clock: SteadyClock, ledger: Ledger, by: timedelta) -> None:
    log.warning("the wall clock was set; leases move along", seconds=by.total_seconds())
    moved = await insist("moving the leases", lambda: ledger.store.shift(by))
    clock.move(by)
    for instance in moved:
        ledger.publish(instance)
    log.info("leases have moved", instances=len(moved))
