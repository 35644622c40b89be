"""Counts by day: of the rows that are there, and of those that have been forgotten.

A row that is deleted is counted in `days` in the same transaction, so that each launch counts once:
with its row, or there. Nothing is written while one launches or ends.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, delete, func, select, update
from sqlalchemy import insert as inserted
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.history import Count, Origin, Start, What, took
from ..domain.models import ENDED, SYNTHETIC, Reason
from .tables import days, instances

Read = Callable[[Select[Any]], Awaitable[Sequence[RowMapping]]]

_LAUNCHED: Final = and_(instances.c.pooled.is_(False), instances.c.owner != SYNTHETIC)
_ENDED: Final = and_(_LAUNCHED, instances.c.state.in_(ENDED), instances.c.ended_at.is_not(None))
_ORIGIN: Final = case((instances.c.fingerprint.is_not(None), "pool"), else_="cold")
_REASON: Final = func.coalesce(instances.c.reason, Reason.REMOVED_OUTSIDE.value)


def _launches(where: ColumnElement[bool]) -> Select[Any]:
    return _grouped(What.LAUNCH, instances.c.created_at, _ORIGIN, and_(_LAUNCHED, where))


def _endings(where: ColumnElement[bool]) -> Select[Any]:
    return _grouped(What.ENDING, instances.c.ended_at, _REASON, and_(_ENDED, where))


def _grouped(what: What, at: Any, key: Any, where: ColumnElement[bool]) -> Select[Any]:
    day = func.date(at)
    columns = (day.label("day"), instances.c.distribution, key.label("key"))
    labelled = select(*columns, func.count().label("n"))
    return labelled.where(where).group_by(day, instances.c.distribution, key)


async def read_counts(read: Read, since: date) -> tuple[Count, ...]:
    begin = datetime.combine(since, time(), UTC)
    found = [
        *_counts(What.LAUNCH, await read(_launches(instances.c.created_at >= begin))),
        *_counts(What.ENDING, await read(_endings(instances.c.ended_at >= begin))),
    ]
    kept = await read(select(days).where(days.c.day >= since.isoformat()))
    return tuple(found + [each for row in kept for each in _counts(What(row["what"]), [row])])


def _counts(what: What, rows: Iterable[RowMapping]) -> Iterator[Count]:
    for row in rows:  # SQLite's day is text, PostgreSQL's a date
        day = date.fromisoformat(str(row["day"]))
        yield Count(day, row["distribution"], what, row["key"], row["n"])


async def keep_counts(connection: AsyncConnection, of: ColumnElement[bool]) -> None:
    """Of the rows that are about to be deleted."""
    for what, query in ((What.LAUNCH, _launches(of)), (What.ENDING, _endings(of))):
        rows = (await connection.execute(query)).mappings().all()
        for each in _counts(what, rows):
            await add_count(connection, each)


async def add_count(connection: AsyncConnection, count: Count) -> None:
    key = {
        "day": count.day.isoformat(),
        "distribution": count.distribution,
        "what": count.what.value,
        "key": count.key,
    }
    here = and_(*(days.c[name] == value for name, value in key.items()))
    added = await connection.execute(update(days).where(here).values(n=days.c.n + count.n))
    if not added.rowcount:
        await connection.execute(inserted(days).values(n=count.n, **key))


async def forget_counts(connection: AsyncConnection, before: date) -> None:
    await connection.execute(delete(days).where(days.c.day < before.isoformat()))


async def read_starts(read: Read, limit: int) -> tuple[Start, ...]:
    """The latest that succeeded; those of the pool that nobody has claimed, too."""
    columns = ("distribution", "created_at", "ready_at", "timings", "pooled")
    query = (
        select(*(instances.c[name] for name in columns), _ORIGIN.label("origin"))
        .where(
            instances.c.owner != SYNTHETIC,
            instances.c.ready_at.is_not(None),
            instances.c.timings != {},
        )
        .order_by(instances.c.seq.desc())
        .limit(limit)
    )
    return tuple(
        Start(
            row["distribution"],
            cast(Origin, row["origin"]),
            took(row["timings"]),
            None if row["pooled"] else (row["ready_at"] - row["created_at"]).total_seconds(),
        )
        for row in await read(query)
    )
