"""Whether the engine's events are still followed: a loop that hangs looks like a quiet evening.

The engine ends every window and lists anew, so a list must come at least once a window; while the
engine is away, a word that it is (`Lost`) must come instead. Where neither has come for so long
that every deadline on the way must have passed, the loop is broken off, and Background starts it
again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from ..domain.outages import EngineUnavailable
from ..engine.base import EngineEvent, Listed, Lost
from .health import Check

SLACK: Final = 20.0  # seconds that a list may take, and that a silent engine is waited for
LONGEST_BACKOFF: Final = 15.0  # seconds, as in engine/events.py


class Consumer:
    """`window`: seconds from one list to the next; `call`: seconds that one call may take."""

    def __init__(self, *, window: float, call: float) -> None:
        self._overdue_after = window + SLACK
        self._hangs_after = window + SLACK + 2 * call + LONGEST_BACKOFF
        self._listed_at = self._heard_at = time.monotonic()  # as if at the start
        self.lists = 0  # so far

    @property
    def list_age(self) -> float:
        """Seconds since everything was last listed, or since the start."""
        return time.monotonic() - self._listed_at

    @property
    def word_age(self) -> float:
        """Seconds since the last word of any kind, or since the start."""
        return time.monotonic() - self._heard_at

    def check(self) -> Check:
        if self.list_age <= self._overdue_after:
            return Check("events")
        late = f"The engine's last list is {self.list_age:.0f} s old; it is due at least every "
        return Check("events", EngineUnavailable(f"{late}{self._overdue_after:.0f} s."))

    @asynccontextmanager
    async def watchdog(self) -> AsyncIterator[Callable[[EngineEvent], None]]:
        """Around the loop, which tells it every event. Raises TimeoutError where it hangs."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._hangs_after) as timer:

            def heard(event: EngineEvent) -> None:
                self._heard_at = time.monotonic()
                if isinstance(event, Listed):
                    self._listed_at = self._heard_at
                    self.lists += 1
                if isinstance(event, Listed | Lost):
                    timer.reschedule(loop.time() + self._hangs_after)

            yield heard
