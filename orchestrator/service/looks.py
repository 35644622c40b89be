"""A fresh look at one instance's container, and what follows from it.

Events and lists only name an instance. What has become of it is decided by an inspect made now, and
only the engine's own "no such container" means that one is gone. One look at a time for each
instance; what changes meanwhile is looked at again.

A container without a row (the database was lost) is adopted if its labels are whole and its name is
its own, and ends by its label's deadline like any other; one that was never started is removed. So
is one whose row has ended. One that somebody has paused goes on.
"""

import asyncio

import structlog

from ..domain.errors import DistrosError
from ..domain.models import ALIVE, UNASSIGNED, Instance, Reason, Stage, State
from ..domain.naming import own_names
from ..engine.base import Engine, Observation
from ..failpoints import failpoint
from .background import Background
from .comparison import has_container
from .endings import Endings
from .ledger import Ledger
from .route_care import RouteCare

log = structlog.get_logger(__name__)

REMOVAL_TAKES = 0.5  # seconds from kill to removed, at most, when somebody else removes

_KILLED = frozenset({137, 143})  # exit codes of SIGKILL and SIGTERM


class Looks:
    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        endings: Endings,
        route_care: RouteCare,
        background: Background,
        *,
        stack: str,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._endings = endings
        self._route_care = route_care
        self._background = background
        self._stack = stack
        self._looking: dict[str, asyncio.Task[None]] = {}  # by instance
        self._again: set[str] = set()  # of those, what changed meanwhile

    def look_soon(self, instance_id: str) -> None:
        if instance_id in self._looking:
            self._again.add(instance_id)
            return
        self._looking[instance_id] = self._background.spawn(
            self._look_until_quiet(instance_id), name=f"look {instance_id}"
        )

    async def finished(self) -> None:
        """Once those that are under way now are over."""
        if looking := self._looking.values():
            await asyncio.wait(looking)

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
            self._looking.pop(instance_id, None)

    async def look(self, instance_id: str) -> None:
        row = await self._ledger.store.get(instance_id)  # first: a container may appear meanwhile
        observation = await self._engine.inspect(instance_id)
        if observation is None:
            if row is not None and row.state in ALIVE and has_container(row):
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
        elif observation.paused and row.state in ALIVE:
            log.warning("paused by somebody", instance=instance_id)
            await self._engine.unpause(instance_id)
            self._route_care.nudge()  # the proxy takes a paused container's route away, for good

    async def _is_gone_soon(self, instance_id: str) -> bool:
        """A removal from outside first kills, then removes: it looks like a crash for a moment."""
        await asyncio.sleep(REMOVAL_TAKES)
        return await self._engine.inspect(instance_id) is None

    async def _adopt(self, observation: Observation) -> None:
        """A container whose row is lost ends by its label's deadline; nobody owns it."""
        names = own_names(self._stack, observation.instance_id)
        if not observation.whole or observation.name not in names:
            return  # the reconciler removes it after a while
        if not observation.running and not observation.ended:  # nobody will come to start it
            self._endings.discard(observation.instance_id)
            return
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
        failpoint("adopt.writing")
        if await self._ledger.store.adopt(instance):
            failpoint("adopt.written")
            self._ledger.publish(instance)
            if observation.ended:
                await self._endings.end(instance.id, *_ending_of(observation))


def _ending_of(observation: Observation) -> tuple[Reason, str]:
    if observation.out_of_memory:
        return Reason.OUT_OF_MEMORY, "The site used more memory than it may."
    return Reason.CRASHED, f"The site's main process ended with exit code {observation.exit_code}."
