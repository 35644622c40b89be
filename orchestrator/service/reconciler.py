"""The reconciler: compares engine, store and proxy, and repairs each difference.

With each of the engine's lists, that is every 40 s and after each reconnect, whatever the events
said. The proxy is asked once for all its routes; where it cannot be, the comparison does without.

- What a fresh look at one instance decides (`looks.py`) is left to it.
- A container that nobody knows, and a second one of an instance, are removed `GRACE` after they
  were first seen, which is at the next list or the one after: time for whoever made it by hand.
- Routes that are missing, or that lead nowhere, are mended by one nudge for all (`route_care.py`).
  One that leads nowhere must have been there at the list before, too: the proxy is always behind by
  a moment, so while instances end there is one at every look.
- What cannot be removed raises an alarm, in one line every `ALARM_INTERVAL`.
- Launches and removals that an earlier process left half-way go on. Those that failed while the
  engine was away do not wait for their next turn.
"""

import logging
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from ..domain.differences import Difference, Kind
from ..domain.errors import DistrosError
from ..domain.models import Instance, State
from ..engine.base import Engine, Observation
from .background import Background
from .comparison import differences
from .endings import Endings
from .ledger import Ledger
from .looks import Looks
from .queue import Queue
from .route_care import RouteCare

log = structlog.get_logger(__name__)

GRACE: Final = timedelta(seconds=60)
ALARM_INTERVAL: Final = 60.0  # seconds

_LOOKED_AT: Final = frozenset(
    {Kind.NO_ROW, Kind.NO_CONTAINER, Kind.ENDED_CONTAINER, Kind.LEFTOVER, Kind.PAUSED}
)
_NOBODYS: Final = frozenset({Kind.UNKNOWN_CONTAINER, Kind.CLONE})
_NUDGED: Final = frozenset({Kind.ROUTE_MISSING, Kind.STRAY_ROUTE})


class Reconciler:
    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        queue: Queue,
        endings: Endings,
        looks: Looks,
        route_care: RouteCare,
        background: Background,
        *,
        stack: str,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._queue = queue
        self._endings = endings
        self._looks = looks
        self._route_care = route_care
        self._background = background
        self._stack = stack
        self.found: tuple[Difference, ...] = ()  # by the last comparison
        self.compared_at: datetime | None = None  # UTC
        self._told: frozenset[tuple[Kind, str, str]] = frozenset()  # keys of those found, and stood
        self._alarmed_at = float("-inf")  # monotonic

    async def reconcile(self, observations: Collection[Observation]) -> None:
        await self._ledger.load()
        live = dict(self._ledger.live)
        self._go_on(live)
        self._endings.hurry()
        rows = live | await self._other_rows(observations, live)
        routes = await self._route_care.seen()
        self.compared_at = self._ledger.now()
        self.found = differences(
            rows,
            observations,
            routes,
            self.compared_at,
            stack=self._stack,
            stuck=self._endings.stuck,
            before=self.found,
        )
        standing = [
            each
            for each in self.found
            if each.kind is not Kind.STRAY_ROUTE or each.since < self.compared_at
        ]
        for difference in standing:
            if difference.key not in self._told:
                _tell(difference)
            elif difference.kind in _NUDGED:
                log.error("a nudge has not helped", container=difference.container)
            self._repair(difference, self.compared_at)
        self._told = frozenset(difference.key for difference in standing)
        if any(difference.kind in _NUDGED for difference in standing):
            self._route_care.nudge()
        self._alarm()
        if not self._queue.is_open:
            self._background.once("open the queue", self._open_queue)

    async def _open_queue(self) -> None:
        """Once what has no row has been adopted."""
        await self._looks.finished()
        self._queue.open()

    def _go_on(self, rows: Mapping[str, Instance]) -> None:
        for row in rows.values():
            if row.state is State.STOPPING:
                self._endings.finish(row)
            elif row.state.pending:
                self._queue.resume(row)

    async def _other_rows(
        self, observations: Collection[Observation], live: Mapping[str, Instance]
    ) -> dict[str, Instance]:
        """Of containers whose instance does not live: those that have ended."""
        ids = {each.instance_id for each in observations} - live.keys()
        rows = [await self._ledger.find(instance_id) for instance_id in ids]
        return {row.id: row for row in rows if row is not None}

    def _repair(self, difference: Difference, now: datetime) -> None:
        if difference.kind in _LOOKED_AT:
            self._looks.look_soon(difference.instance_id)
        elif difference.kind in _NOBODYS and now - difference.since >= GRACE:
            self._background.once(
                f"remove {difference.container_id}", lambda: self._remove(difference)
            )

    async def _remove(self, difference: Difference) -> None:
        try:
            if difference.kind is Kind.CLONE:
                own = await self._engine.inspect(difference.instance_id)
                if own and own.container_id == difference.container_id:
                    return  # the other has gone meanwhile: now this one counts as renamed
            log.warning("removing", container=difference.container, kind=difference.kind)
            await self._engine.remove_container(difference.container_id)
        except DistrosError as error:  # the next list finds it again
            log.error("removal failed", container=difference.container, error=error.message)

    def _alarm(self) -> None:
        stuck = [each for each in self.found if each.instance_id in self._endings.stuck]
        if stuck and time.monotonic() - self._alarmed_at >= ALARM_INTERVAL:
            self._alarmed_at = time.monotonic()
            log.error(
                "containers cannot be removed",
                count=len(stuck),
                instances=[each.instance_id for each in stuck[:10]],
                since=min(each.since for each in stuck).isoformat(),
                error=stuck[0].detail,
            )


def _tell(difference: Difference) -> None:
    # What a look decides may just have been under way when the engine made its list.
    level = logging.INFO if difference.kind in _LOOKED_AT else logging.WARNING
    log.log(
        level,
        "difference",
        kind=difference.kind,
        instance=difference.instance_id or None,
        container=difference.container or None,
        engine=difference.engine,
        store=difference.store,
        proxy=difference.proxy,
        reason=difference.reason,
    )
