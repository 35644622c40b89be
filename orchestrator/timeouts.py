"""Timeouts that somebody else may bring to their end, by what they were taken for."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timeouts(Generic[K]):
    def __init__(self) -> None:
        self._open: defaultdict[K, set[asyncio.Timeout]] = defaultdict(set)

    @asynccontextmanager
    async def timeout(self, key: K, seconds: float | None) -> AsyncIterator[None]:
        """Raises TimeoutError after so many seconds (None: never), or when `end` says so."""
        async with asyncio.timeout(seconds) as timeout:
            self._open[key].add(timeout)
            try:
                yield
            finally:
                self._open[key].discard(timeout)
                if not self._open[key]:
                    del self._open[key]

    @property
    def keys(self) -> Collection[K]:
        """Those for which somebody waits."""
        return set(self._open)

    def end(self, key: K) -> None:
        """Those that were taken for it are over."""
        for timeout in self._open.get(key, ()):
            if not timeout.expired():
                timeout.reschedule(0)
