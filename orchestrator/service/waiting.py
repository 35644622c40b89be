"""Who waits for a start: in fair order, for as long as somebody asks for it.

A visitor who has left (no page, stream or request has asked for the launch for `LEFT_AFTER`
seconds) loses the place in the queue. An admin's program need not ask.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context

from ..domain.models import PLACED, PROGRAMS, Instance, State
from ..domain.queueing import fair_order
from .ledger import Ledger

LEFT_AFTER = 60.0  # seconds
ORDER_HOLDS = 1.0  # seconds; who waits for long moves up by that alone


class Waiting:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[str, Instance] = {}  # in order of arrival
        self._requests: dict[str, Context] = {}  # for the log: who has asked for what
        self._attended: Counter[str] = Counter()  # by whom asks right now
        self._seen: dict[str, float] = {}  # when somebody last asked (monotonic)
        self._positions: dict[str, int] = {}  # from 1, in fair order
        self._ordered_at = float("-inf")  # monotonic
        ledger.listen(self._hear)

    def _hear(self, instance: Instance) -> None:
        self._ordered_at = float("-inf")
        if instance.state is State.QUEUED:
            self._waiting[instance.id] = instance
            self._requests.setdefault(instance.id, copy_context())
            if not instance.owner.startswith(PROGRAMS):
                self._seen.setdefault(instance.id, time.monotonic())
        else:
            self._waiting.pop(instance.id, None)
            self._seen.pop(instance.id, None)
            if instance.state is not State.STARTING:
                self._requests.pop(instance.id, None)

    def __len__(self) -> int:
        return len(self._waiting)

    # -- their order ---------------------------------------------------------------------------

    def first(self) -> Instance | None:
        return next(iter(self.in_order()), None)

    def position(self, instance_id: str) -> int | None:
        """1 for the next one; None where it does not wait."""
        self._order()
        return self._positions.get(instance_id)

    def in_order(self) -> list[Instance]:
        self._order()
        return [self._waiting[instance_id] for instance_id in self._positions]

    def _order(self) -> None:
        """Once for all who ask, until something changes."""
        if time.monotonic() - self._ordered_at < ORDER_HOLDS:
            return
        live = self._ledger.live.values()
        held = Counter(each.owner for each in live if each.state in PLACED)
        order = fair_order(self._waiting.values(), held, self._ledger.now())
        self._positions = {instance_id: place for place, instance_id in enumerate(order, start=1)}
        self._ordered_at = time.monotonic()

    # -- whether somebody still waits ----------------------------------------------------------

    @contextmanager
    def attended(self, instance_id: str) -> Iterator[None]:
        """While somebody waits for this launch, it keeps its place."""
        self._attended[instance_id] += 1
        try:
            yield
        finally:
            self._attended[instance_id] -= 1
            if not self._attended[instance_id]:
                del self._attended[instance_id]
            self.seen(instance_id)

    def seen(self, instance_id: str) -> None:
        """Somebody has asked for it."""
        if instance_id in self._seen:
            self._seen[instance_id] = time.monotonic()

    def left(self) -> list[str]:
        """For whom nobody waits any longer."""
        before = time.monotonic() - LEFT_AFTER
        return [
            instance_id
            for instance_id, seen in self._seen.items()
            if seen < before and instance_id not in self._attended
        ]

    def request_of(self, instance_id: str) -> Context | None:
        """The context of the request that asked for it. It is given out once."""
        return self._requests.pop(instance_id, None)
