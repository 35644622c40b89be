"""The store: the truth about leases, and the intent behind every container.

A launch commits its row before it touches the engine. Claims and counters are conditional writes
in one transaction: two may race, one wins. Every call raises StoreUnavailable where the database
cannot be reached or written.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from ..domain.history import Count, Start
from ..domain.limits import Quota
from ..domain.measures import Percentiles, Timings
from ..domain.models import Claim, Instance, State
from .safeguards import Safeguards


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of what the store remembers of launches. Times in seconds."""

    by_state: Mapping[str, int]
    launches: Mapping[str, int]  # by distribution slug
    endings: Mapping[str, int]  # by reason
    startup: Mapping[str, Percentiles]  # from launch to ready, by distribution slug


@dataclass(frozen=True, slots=True)
class Counts:
    placed: int  # hold a place, the pool's included
    pooled: int  # of those, nobody's yet
    queued: int  # wait for a place or a turn


@dataclass(frozen=True, slots=True)
class Restored:
    instances: int  # rows there are now, those that have ended too
    carried_over: int  # live ones that go on as they were
    owners_back: int  # of those, adopted ones that belong to somebody again


class Store(Protocol):
    @property
    def safeguards(self) -> Safeguards: ...

    async def prepare(self) -> None:
        """Brings the schema up to date."""

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises StoreUnavailable unless the database answers."""

    def workspace(self) -> AbstractContextManager[Path]:
        """A folder of its own for the files of `backup` and `restore`; gone afterwards.

        Raises NotSupported where the database has tools of its own for both.
        """

    async def backup(self, target: Path) -> None:
        """Writes a copy of this moment, as one file, while everything goes on."""

    async def restore(self, upload: Path, now: datetime) -> Restored:
        """Puts a backup in this database's place, in one transaction; what lives now goes on (see
        domain/restoring.py). The file is changed.

        Raises InvalidBackup where it is none; then nothing has changed.
        """

    async def admit(
        self,
        instance: Instance,
        *,
        room: int,
        request_key: str | None = None,
        quota: Quota | None = None,
    ) -> Instance | None:
        """Inserts the row of a launch that queues; None where `room` launches (queued, or with
        places of their own) are there already.

        Where the owner has sent this `request_key` before, answers that instance instead, which
        does not count again. Raises what `limits.refusal` says of the `quota`.
        """

    async def place(
        self, instance_id: str, *, capacity: int, expires_at: datetime, egress: bool = False
    ) -> Instance | None:
        """Gives a queued launch a place and the next free address, and lets it start; None where
        no place is free. What does not queue any more is answered as it is. With `egress` the
        address is one with the Internet, here and below.

        Raises UnknownInstance.
        """

    async def move(self, instance_id: str, *, egress: bool = False) -> Instance | None:
        """Gives a launch under way the next free address instead of its own, which somebody else
        holds; None where it is no longer under way, or no address is free."""

    async def stock(
        self, instance: Instance, *, capacity: int, egress: bool = False
    ) -> Instance | None:
        """Inserts an instance for the pool, with a place and an address; None where no place is
        free, or somebody queues for one."""

    async def claim(
        self, instance_id: str, claim: Claim, *, quota: Quota | None = None
    ) -> Instance | None:
        """Makes a pooled instance the owner's; None where it is not in the pool any more. Of many
        who race for one, one wins.

        Where the owner has sent this `request_key` before, answers that instance instead, which
        does not count again. Raises what `limits.refusal` says of the `quota`.
        """

    async def make_ready(
        self, instance_id: str, *, now: datetime, timings: Timings
    ) -> Instance | None:
        """A launch has succeeded, and its lease begins; None where it is no longer under way. An
        instance of the pool keeps the end that it has."""

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
        pooled: bool | None = None,
        **changes: object,
    ) -> Instance | None:
        """Changes the row only while it is in one of those states, where `due_by` is given its
        lease ends by then, and where `pooled` is given it is in the pool or is not; None where it
        was not so."""

    async def renew(
        self,
        instance_id: str,
        *,
        was: datetime,
        now: datetime,
        until: datetime,
        address: str | None = None,
    ) -> Instance | None:
        """Prolongs a ready, unexpired lease that still ends at `was`; None where it does not.

        `address` (hashed, "" where nobody knows) is that of whoever asks; None where bans do not
        matter. Raises RenewalBanned.
        """

    async def shift(self, by: timedelta) -> tuple[Instance, ...]:
        """Moves every moment of what lives, and every use that a limit counts, in one write;
        answers the instances that have been moved."""

    async def measured(self, limit: int) -> tuple[tuple[str, Timings], ...]:
        """The latest starts that succeeded: slug and timings, oldest first."""

    async def last_ready(self) -> dict[str, datetime]:
        """By distribution: when one last became ready, the pool's included."""

    async def arrivals(self, since: datetime) -> tuple[tuple[str, datetime], ...]:
        """When launches were asked for, oldest first: slug and moment."""

    async def save_log(self, instance_id: str, text: str) -> None: ...

    async def log(self, instance_id: str) -> str | None: ...

    async def forget_logs(self, *, ended_before: datetime) -> int:
        """Deletes the logs of what ended before then; says how many."""

    async def stats(self) -> Stats: ...

    async def counts(self, since: date) -> tuple[Count, ...]:
        """Launches and endings from that UTC day on, and what `count` was given. Several may be of
        the same day, distribution and key. Without the pool's own and the service's own tries."""

    async def count(self, one: Count) -> None:
        """Adds to what is known of that day, distribution and key."""

    async def starts(self, limit: int) -> tuple[Start, ...]:
        """The latest that succeeded; those of the pool that nobody has claimed, too."""

    async def forget_counts(self, *, before: date) -> None: ...

    async def forget_launches(self, *, before: datetime) -> None:
        """Deletes what the limits knew of earlier launches whose instances have ended."""

    async def forget(self, *, ended_before: datetime) -> int:
        """Deletes rows (and logs) that ended before then, and keeps their counts; says how many."""
