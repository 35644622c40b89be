"""What the store can tell of past launches. Those of the pool are nobody's, and do not count; nor
do those by which the service tries itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, and_, func, select

from ..domain.measures import Timings, percentiles
from ..domain.models import SYNTHETIC
from .base import Stats
from .tables import instances

SAMPLE: Final = 2_000  # latest launches from which percentiles are computed

Read = Callable[[Select[Any]], Awaitable[Sequence[RowMapping]]]

_LAUNCHED = and_(instances.c.pooled.is_(False), instances.c.owner != SYNTHETIC)
_SUCCEEDED = (instances.c.ready_at.is_not(None), instances.c.timings != {})


async def read_stats(read: Read) -> Stats:
    latest = (
        select(instances.c.distribution, instances.c.created_at, instances.c.ready_at)
        .where(_LAUNCHED, *_SUCCEEDED)
        .order_by(instances.c.seq.desc())
        .limit(SAMPLE)
    )
    times: dict[str, list[float]] = {}
    for row in await read(latest):
        took = (row["ready_at"] - row["created_at"]).total_seconds()
        times.setdefault(row["distribution"], []).append(took)
    return Stats(
        by_state=await _counts(read, instances.c.state),
        launches=await _counts(read, instances.c.distribution),
        endings=await _counts(read, instances.c.reason),
        startup={slug: percentiles(sample) for slug, sample in times.items()},
    )


async def _counts(read: Read, column: Any) -> dict[str, int]:
    query = select(column.label("key"), func.count().label("n")).where(_LAUNCHED)
    return {row["key"]: row["n"] for row in await read(query.group_by(column)) if row["key"]}


async def read_measured(read: Read, limit: int) -> tuple[tuple[str, Timings], ...]:
    """The pool's starts, too."""
    query = (
        select(instances.c.distribution, instances.c.timings)
        .where(*_SUCCEEDED)
        .order_by(instances.c.seq.desc())
        .limit(limit)
    )
    return tuple((row["distribution"], row["timings"]) for row in reversed(await read(query)))


async def read_last_ready(read: Read) -> dict[str, datetime]:
    """The pool's, too."""
    latest = func.max(instances.c.ready_at).label("ready_at")
    query = (
        select(instances.c.distribution, latest)
        .where(instances.c.ready_at.is_not(None))
        .group_by(instances.c.distribution)
    )
    return {row["distribution"]: row["ready_at"] for row in await read(query)}


async def read_arrivals(read: Read, since: datetime) -> tuple[tuple[str, datetime], ...]:
    query = (
        select(instances.c.distribution, instances.c.created_at)
        .where(_LAUNCHED, instances.c.created_at >= since)
        .order_by(instances.c.created_at)
    )
    return tuple((row["distribution"], row["created_at"]) for row in await read(query))
