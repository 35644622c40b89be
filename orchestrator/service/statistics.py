"""What the store can tell of launches past, asked at most every few seconds: anybody may ask."""

import asyncio
import time

from ..store.base import Stats, Store

HOLDS = 5.0  # seconds


class Statistics:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._stats: Stats | None = None
        self._read_at = 0.0  # monotonic

    async def read(self) -> Stats:
        async with self._lock:
            if self._stats is None or time.monotonic() - self._read_at > HOLDS:
                self._stats = await self._store.stats()
                self._read_at = time.monotonic()
            return self._stats
