"""The reaper: removes what has expired, and notices what has ended by itself.

Two loops, neither of which needs the other. *Deadlines* ends every lease on time from the ledger
alone: an event is never needed for an expiry to happen. *Events* consumes the engine's list and
stream: an event only names an instance, a fresh inspect decides, and only the engine's own "no
such container" means that one is gone. Each list is also when the ledger and the images are read
anew.

A container without a row (the database was lost) is adopted by its labels, and ends by its label's
deadline like any other. A container whose row has ended is removed.
"""

import asyncio
from contextlib import aclosing, suppress
from datetime import timedelta

import structlog

from ..domain.errors import DistrosError
from ..domain.limits import WINDOW
from ..domain.models import ALIVE, UNASSIGNED, Instance, Reason, Stage, State
from ..engine.base import Changed, Engine, Listed, Lost, Observation
from .background import Background
from .deadlines import Deadlines
from .endings import Endings
from .health import Health
from .images import Images
from .ledger import Ledger
from .queue import Queue

log = structlog.get_logger(__name__)

LONGEST_SLEEP = 1.0  # seconds; a clock that jumps is noticed within this
FORGET_INTERVAL = 3600.0  # seconds
AUDIT_KEPT = timedelta(days=365)
REMOVAL_TAKES = 0.5  # seconds from kill to removed, at most, when somebody else removes

_KILLED = frozenset({137, 143})  # exit codes of SIGKILL and SIGTERM
# Before these stages there may be no container yet.
_HAS_CONTAINER = frozenset({Stage.BOOTING, Stage.CHECKING, Stage.READY})


class Reaper:
    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        queue: Queue,
        endings: Endings,
        deadlines: Deadlines,
        images: Images,
        health: Health,
        background: Background,
        *,
        history: timedelta,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._queue = queue
        self._endings = endings
        self._deadlines = deadlines
        self._images = images
        self._health = health
        self._background = background
        self._history = history
        self._looking: set[str] = set()  # instances being inspected
        self._again: set[str] = set()  # of those, what changed meanwhile

    # -- deadlines ---------------------------------------------------------------------------

    async def expire(self) -> None:
        while True:
            self._ledger.changed.clear()
            now = self._ledger.now()
            soonest = self._deadlines.next()
            if soonest is None or soonest[0] > now:
                await self._pause(soonest[0] - now if soonest else None)
            elif await self._endings.expire(soonest[1], now) is None:
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
            if count := await self._ledger.store.forget(ended_before=now - self._history):
                log.info("forgot ended instances", count=count)
            await asyncio.sleep(FORGET_INTERVAL)

    # -- events ------------------------------------------------------------------------------

    async def events(self) -> None:
        async with aclosing(self._engine.events()) as events:
            async for event in events:
                match event:
                    case Listed(observations):
                        self._health.engine_is_back()
                        await self.compare(observations)
                        self._background.once("look at images", self._images.look_quietly)
                    case Lost():
                        self._health.engine_is_away()
                    case Changed(instance_id):
                        if self._is_news(instance_id):
                            self._look_soon(instance_id)

    def _is_news(self, instance_id: str) -> bool:
        """Else these are the events of our own removal, which sees to it that it succeeds; a
        container that is left over, or that has no row, is found by the next list."""
        row = self._ledger.live.get(instance_id)
        return row is not None and row.state is not State.STOPPING

    async def compare(self, observations: tuple[Observation, ...]) -> None:
        """Every container has its row, every row that should have a container has one, and every
        launch and every removal that an earlier process left half-way goes on."""
        await self._ledger.load()
        rows = dict(self._ledger.live)
        for observation in observations:
            if observation.ended or observation.instance_id not in rows:
                self._look_soon(observation.instance_id)
        listed = {observation.instance_id for observation in observations}
        for row in rows.values():
            if row.state is State.STOPPING:
                self._endings.finish(row)
            elif row.state.pending:
                self._queue.resume(row)
            if row.id not in listed and _has_container(row):
                self._look_soon(row.id)

    def _look_soon(self, instance_id: str) -> None:
        """One look at a time for each instance; what changes meanwhile is looked at again."""
        if instance_id in self._looking:
            self._again.add(instance_id)
            return
        self._looking.add(instance_id)
        self._background.spawn(self._look_until_quiet(instance_id), name=f"look {instance_id}")

    async def _look_until_quiet(self, instance_id: str) -> None:
        try:
            while True:
                self._again.discard(instance_id)
                await self.look(instance_id)
                if instance_id not in self._again:
                    return
        except DistrosError as error:  # the next list looks again
            log.warning("inspection failed", instance=instance_id, error=error.message)
        finally:
            self._looking.discard(instance_id)

    async def look(self, instance_id: str) -> None:
        """A fresh inspect decides what has become of this instance."""
        row = await self._ledger.store.get(instance_id)  # first: a container may appear meanwhile
        observation = await self._engine.inspect(instance_id)
        if observation is None:
            if row is not None and row.state in ALIVE and _has_container(row):
                await self._endings.end(instance_id, Reason.REMOVED_OUTSIDE)
        elif row is None:
            await self._adopt(observation)
        elif row.state.ended:
            self._endings.discard(instance_id)
        elif observation.ended and row.state in ALIVE:
            if observation.exit_code in _KILLED and await self._is_gone_soon(instance_id):
                await self._endings.end(instance_id, Reason.REMOVED_OUTSIDE)
            else:
                await self._endings.end(instance_id, *_ending_of(observation))

    async def _is_gone_soon(self, instance_id: str) -> bool:
        """A removal from outside first kills, then removes: it looks like a crash for a moment."""
        await asyncio.sleep(REMOVAL_TAKES)
        return await self._engine.inspect(instance_id) is None

    async def _adopt(self, observation: Observation) -> None:
        """A container whose row is lost ends by its label's deadline; nobody owns it."""
        log.warning("container without a row", instance=observation.instance_id)
        instance = Instance(
            id=observation.instance_id,
            distribution=observation.distribution,
            owner="",
            state=State.READY,
            stage=Stage.READY,
            created_at=observation.created_at,
            ready_at=observation.created_at,
            expires_at=observation.expires_at,
            lifetime=observation.expires_at - observation.created_at,
            address=observation.address or UNASSIGNED,
        )
        if await self._ledger.store.adopt(instance):
            self._ledger.publish(instance)
            if observation.ended:
                await self._endings.end(instance.id, *_ending_of(observation))


def _has_container(row: Instance) -> bool:
    return row.state in ALIVE and row.stage in _HAS_CONTAINER


def _ending_of(observation: Observation) -> tuple[Reason, str]:
    if observation.out_of_memory:
        return Reason.OUT_OF_MEMORY, "The site used more memory than it may."
    return Reason.CRASHED, f"The site's main process ended with exit code {observation.exit_code}."
