"""The store: the truth about leases, and the intent behind every container.

A launch commits its row before it touches the engine. Claims and counters are conditional writes
in one transaction: two may race, one wins. Every call raises StoreUnavailable where the database
cannot be reached or written.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..domain.models import Instance, State


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of what the store remembers. Times in seconds."""

    by_state: Mapping[str, int]
    launches: Mapping[str, int]  # by distribution slug
    endings: Mapping[str, int]  # by reason
    startup: Mapping[str, "Percentiles"]  # by distribution slug


@dataclass(frozen=True, slots=True)
class Percentiles:
    count: int
    p50: float
    p90: float
    p99: float


class Store(Protocol):
    async def prepare(self) -> None:
        """Brings the schema up to date."""

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises StoreUnavailable unless the database answers."""

    async def admit(
        self, instance: Instance, *, capacity: int, request_key: str | None = None
    ) -> Instance | None:
        """Inserts the row with the next free address; None where all places are taken.

        Where the owner has sent this `request_key` before, answers that instance instead.
        """

    async def adopt(self, instance: Instance) -> bool:
        """Inserts a row for a container that has none; False where one has it already."""

    async def get(self, instance_id: str) -> Instance | None: ...

    async def list(
        self, *, owner: str | None = None, states: Collection[State] = ()
    ) -> tuple[Instance, ...]:
        """Oldest first; every owner's where `owner` is None, every state where none is named."""

    async def by_request_key(self, owner: str, request_key: str) -> Instance | None:
        """What this owner launched with this key before."""

    async def update(
        self,
        instance_id: str,
        *,
        only_in: Collection[State],
        due_by: datetime | None = None,
        **changes: object,
    ) -> Instance | None:
        """Changes the row only while it is in one of those states, and, where `due_by` is given,
        its lease ends by then; None where it was not so."""

    async def renew(
        self, instance_id: str, *, was: datetime, now: datetime, until: datetime
    ) -> Instance | None:
        """Prolongs a ready, unexpired lease that still ends at `was`; None where it does not."""

    async def queue_position(self, instance: Instance) -> int | None:
        """1 for the first in the queue; None where it does not queue."""

    async def count_live(self) -> int: ...

    async def due(self, now: datetime) -> tuple[Instance, ...]:
        """What has expired and can still be ended, the longest overdue first."""

    async def next_expiry(self) -> datetime | None:
        """The soonest end of a lease that can still be ended."""

    async def save_log(self, instance_id: str, text: str) -> None: ...

    async def log(self, instance_id: str) -> str | None: ...

    async def stats(self) -> Stats: ...

    async def forget(self, *, ended_before: datetime) -> int:
        """Deletes rows (and logs) that ended before then; says how many."""
