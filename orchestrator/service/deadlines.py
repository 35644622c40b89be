"""When the leases end, in order: a heap that follows the ledger.

An entry that is out of date (renewed, claimed, ended meanwhile) is dropped when it comes up.
"""

import heapq
from datetime import datetime

from ..domain.models import LEASED, Instance
from .ledger import Ledger


class Deadlines:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._heap: list[tuple[datetime, str]] = []
        self._known: dict[str, datetime] = {}  # what the heap has of each
        ledger.listen(self._hear)

    def next(self) -> tuple[datetime, str] | None:
        """The soonest end, and whose it is."""
        while self._heap:
            moment, instance_id = self._heap[0]
            if self._known.get(instance_id) == moment:
                return moment, instance_id
            heapq.heappop(self._heap)
        return None

    def _hear(self, instance: Instance) -> None:
        if instance.state not in LEASED:
            self._known.pop(instance.id, None)
        elif self._known.get(instance.id) != instance.expires_at:
            self._known[instance.id] = instance.expires_at
            heapq.heappush(self._heap, (instance.expires_at, instance.id))
            if len(self._heap) > 2 * len(self._known) + 64:  # mostly out of date
                self._heap = [(moment, each) for each, moment in self._known.items()]
                heapq.heapify(self._heap)
