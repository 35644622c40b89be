"""The one way in which an instance changes: written to the store, then told to whoever watches.

What has not ended is kept in memory too (`live`), so that pages and loops need not ask the store.
It is read from the store at the start and at each of the engine's lists; the store's conditional
writes decide all the same.

Watchers get every change in order; one that does not keep up loses the oldest, never the newest.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

import structlog

from ..domain.models import LIVE, SYNTHETIC, Instance, Reason, State, renewed_until
from ..failpoints import failpoint
from ..store.base import Counts, Store

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
        self.live: dict[str, Instance] = {}  # by id, in order of arrival
        self._owned: defaultdict[str, dict[str, None]] = defaultdict(dict)  # owner → ids
        self._counts: Counter[str] = Counter()
        self._listeners: list[Callable[[Instance], None]] = []
        self._meanwhile: list[set[str]] = []  # what changes while the store is read, by whom
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

    def listen(self, heard: Callable[[Instance], None]) -> None:
        """From now on `heard` gets every change of every instance, and every row that is loaded."""
        self._listeners.append(heard)

    async def load(self) -> None:
        """Reads what is live, whoever wrote it."""
        with self._noting() as changed:
            rows = {row.id: row for row in await self.store.list(states=LIVE)}
        for row in rows.values():
            if row.id not in changed and self.live.get(row.id) != row:
                self.publish(row)
        for instance_id in self.live.keys() - rows.keys() - changed:
            await self.refresh(instance_id)

    @contextmanager
    def _noting(self) -> Iterator[set[str]]:
        """The ids of what changes in the block, which is then newer than what it has read."""
        changed: set[str] = set()
        self._meanwhile.append(changed)
        try:
            yield changed
        finally:
            self._meanwhile = [each for each in self._meanwhile if each is not changed]

    async def refresh(self, instance_id: str) -> None:
        """Reads one, where memory may be behind the store. One whose row is lost is over."""
        with self._noting() as changed:
            row = await self.store.get(instance_id)
        known = self.live.get(instance_id)
        if instance_id in changed:
            return  # memory is ahead of what was read
        if row is not None:
            self.publish(row)
        elif known is not None:
            log.error("row lost", instance=instance_id)
            over = replace(known, state=State.GONE, reason=Reason.REMOVED_OUTSIDE)
            self.publish(replace(over, ended_at=self.now()))

    async def find(self, instance_id: str) -> Instance | None:
        """From memory while it is live."""
        return self.live.get(instance_id) or await self.store.get(instance_id)

    def counts(self) -> Counts:
        """Of what lives, from memory."""
        return Counts(self._counts["placed"], self._counts["pooled"], self._counts["queued"])

    @property
    def sites(self) -> int:
        """How many have a place that are neither in the pool nor launched to try the service."""
        return self._counts["placed"] - self._counts["pooled"] - self._counts["synthetic"]

    def of(self, owner: str) -> list[Instance]:
        """What lives of one owner, in order of arrival."""
        return [self.live[instance_id] for instance_id in self._owned.get(owner, ())]

    def _keep(self, instance: Instance) -> None:
        """In memory, while it lives."""
        if (before := self.live.get(instance.id)) is not None:
            self._counts.subtract(_counted(before))
            owned = self._owned[before.owner]
            if before.owner != instance.owner or instance.state.ended:
                owned.pop(instance.id)
                if not owned:
                    del self._owned[before.owner]
        if instance.state.ended:
            self.live.pop(instance.id, None)
        else:
            self.live[instance.id] = instance
            self._owned[instance.owner][instance.id] = None
            self._counts.update(_counted(instance))

    def publish(self, instance: Instance) -> None:
        for changed in self._meanwhile:
            changed.add(instance.id)
        self._keep(instance)
        self.changed.set()
        for heard in self._listeners:
            try:
                heard(instance)
            except Exception:  # the others must hear of it all the same
                log.exception("listener failed", instance=instance.id)
        for watcher in self._watchers.get(instance.id, ()):
            watcher.put(instance)

    async def change(
        self,
        instance_id: str,
        *,
        only_in: Collection[State],
        due_by: datetime | None = None,
        pooled: bool | None = None,
        **changes: object,
    ) -> Instance | None:
        """A conditional change, see `Store.update`; None where the condition does not hold."""
        return self.told(
            await self.store.update(
                instance_id, only_in=only_in, due_by=due_by, pooled=pooled, **changes
            )
        )

    def told(self, instance: Instance | None) -> Instance | None:
        """Publishes what the store has answered to a write."""
        if instance is not None:
            self.publish(instance)
        return instance

    async def renew(
        self, instance: Instance, max_lifetime: timedelta, *, address: str | None = None
    ) -> Instance | None:
        """A whole lifetime again, within the maximum; None where the lease is over. `address` as
        `Store.renew` has it, with what it raises."""
        now = self.now()
        until = renewed_until(instance, now, max_lifetime)
        failpoint("renew.writing")
        renewed = await self.store.renew(
            instance.id, was=instance.expires_at, now=now, until=until, address=address
        )
        failpoint("renew.written")
        return self.told(renewed)

    async def until(self, instance_id: str, wanted: Callable[[Instance], bool]) -> Instance | None:
        """Waits until the instance is as wanted; None where there is no such instance."""
        with self.watch(instance_id) as watcher:
            instance = await self.find(instance_id)
            while instance is not None and not wanted(instance):
                instance = await watcher.next()
            return instance


def is_settled(instance: Instance) -> bool:
    """No longer on its way to ready."""
    return not instance.state.pending


def _counted(instance: Instance) -> list[str]:
    if instance.state is State.QUEUED:
        return ["queued"]
    if instance.owner == SYNTHETIC:
        return ["placed", "synthetic"]
    return ["placed", "pooled"] if instance.pooled else ["placed"]
