"""The process has been told to leave: whoever only waits, for a change or a launch, stops waiting.

Launches and removals that are under way are not waited for. Their rows say how far they have come,
and the next process goes on with them (docs/decisions/0012).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Stopping:
    def __init__(self) -> None:
        self.begun = False
        self._waiting: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """From now on every `timeout` is over."""
        self.begun = True
        for timeout in self._waiting:
            if not timeout.expired():
                timeout.reschedule(0)

    @asynccontextmanager
    async def timeout(self, seconds: float | None) -> AsyncIterator[None]:
        """Raises TimeoutError after so many seconds (None: never), or when the process is to
        leave."""
        async with asyncio.timeout(0 if self.begun else seconds) as timeout:
            self._waiting.add(timeout)
            try:
                yield
            finally:
                self._waiting.discard(timeout)
