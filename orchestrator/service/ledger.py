"""The one way in which an instance changes: written to the store, then told to whoever watches.

Watchers get every change in order; one that does not keep up loses the oldest, never the newest.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

import structlog

from ..domain.models import Instance, State, renewed_until
from ..store.base import Store

log = structlog.get_logger(__name__)

BACKLOG = 64  # changes kept for a slow watcher

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Watcher:
    """Changes of one instance (or of all), from the moment of subscription on."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Instance] = asyncio.Queue(BACKLOG)

    def put(self, instance: Instance) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(instance)

    async def next(self) -> Instance:
        return await self._queue.get()

    async def __aiter__(self) -> AsyncIterator[Instance]:
        while True:
            yield await self.next()


class Ledger:
    def __init__(self, store: Store, now: Clock = utc_now) -> None:
        self.store = store
        self.now = now
        self.changed = asyncio.Event()  # set at each change; the reaper clears it
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, instance_id: str) -> asyncio.Lock:
        """Held while the engine starts or removes this instance: never both at once."""
        return self._locks.setdefault(instance_id, asyncio.Lock())

    @contextmanager
    def watch(self, instance_id: str) -> Iterator[Watcher]:
        """Subscribe before reading the row, and no change is missed."""
        watcher = Watcher()
        self._watchers[instance_id].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[instance_id].discard(watcher)
            if not self._watchers[instance_id]:
                del self._watchers[instance_id]

    def publish(self, instance: Instance) -> None:
        self.changed.set()
        for watcher in self._watchers.get(instance.id, ()):
            watcher.put(instance)

    async def change(
        self,
        instance_id: str,
        *,
        only_in: Collection[State],
        due_by: datetime | None = None,
        **changes: object,
    ) -> Instance | None:
        """A conditional change, see `Store.update`; None where the condition does not hold."""
        instance = await self.store.update(instance_id, only_in=only_in, due_by=due_by, **changes)
        if instance is not None:
            self.publish(instance)
        return instance

    async def renew(self, instance: Instance, max_lifetime: timedelta) -> Instance | None:
        """A whole lifetime again, within the maximum; None where the lease is over."""
        now = self.now()
        until = renewed_until(instance, now, max_lifetime)
        renewed = await self.store.renew(instance.id, was=instance.expires_at, now=now, until=until)
        if renewed is not None:
            self.publish(renewed)
        return renewed

    async def until(self, instance_id: str, wanted: Callable[[Instance], bool]) -> Instance | None:
        """Waits until the instance is as wanted; None where there is no such instance."""
        with self.watch(instance_id) as watcher:
            instance = await self.store.get(instance_id)
            while instance is not None and not wanted(instance):
                instance = await watcher.next()
            return instance


def is_settled(instance: Instance) -> bool:
    """No longer on its way to ready."""
    return not instance.state.pending
