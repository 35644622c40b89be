"""The store on SQLAlchemy Core: SQLite by default, PostgreSQL by URL.

Writers of this process wait for each other in order: SQLite's own waiting is polling, 20 times
slower.

What has been begun is completed, even where whoever asked for it is cancelled meanwhile; `close`
waits for it.
"""

import asyncio
import functools
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Sequence,
)
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.addresses import AddressPlan
from ..domain.measures import Timings, percentiles
from ..domain.models import (
    ENDED,
    LIVE,
    PLACED,
    Instance,
    Reason,
    Stage,
    State,
)
from .base import Counts, Stats
from .database import create_engine, migrate, translated, try_to_open
from .tables import UtcDateTime, instances, logs

P = ParamSpec("P")
T = TypeVar("T")

STATS_SAMPLE = 2_000  # latest launches from which percentiles are computed

_FIELDS = tuple(Instance.__dataclass_fields__)
_ROW = tuple(instances.c[name] for name in _FIELDS)
_LAUNCHED = instances.c.pooled.is_(False)  # by somebody


def _completed(
    method: Callable[Concatenate["SqlStore", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["SqlStore", P], Coroutine[Any, Any, T]]:
    """Runs it in a task that a cancellation of the caller does not reach."""

    @functools.wraps(method)
    async def complete(self: "SqlStore", /, *args: P.args, **named: P.kwargs) -> T:
        task = asyncio.create_task(method(self, *args, **named))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    return complete


class SqlStore:
    def __init__(self, url: str, plan: AddressPlan) -> None:
        self._engine = create_engine(url)
        self._write_lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._reader = self._engine.execution_options(distros_read_only=True)
        self._plan = plan

    @_completed
    async def prepare(self) -> None:
        with translated():
            await asyncio.to_thread(try_to_open, self._engine.url)
        async with self._writing() as connection:
            await connection.run_sync(migrate)

    async def close(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._engine.dispose()

    async def check(self) -> None:
        await self._rows(select(func.count()).select_from(instances).where(instances.c.seq < 0))

    @_completed
    async def admit(
        self, instance: Instance, *, room: int, request_key: str | None = None
    ) -> Instance | None:
        async with self._writing() as connection:
            if earlier := await _earlier(connection, instance.owner, request_key):
                return earlier
            counts = await _counts(connection)
            if counts.queued + counts.placed - counts.pooled >= room:
                return None
            values = _values(instance) | {"request_key": request_key}
            await connection.execute(insert(instances).values(values))
            return await _get(connection, instance.id)

    @_completed
    async def place(
        self, instance_id: str, *, capacity: int, expires_at: datetime
    ) -> Instance | None:
        async with self._writing() as connection:
            place = await self._free_place(connection, capacity)
            if place is None:
                return None
            await connection.execute(
                update(instances)
                .where(instances.c.id == instance_id, instances.c.state == State.QUEUED)
                .values(state=State.STARTING, stage=Stage.CONTAINER, expires_at=expires_at, **place)
            )
            return await _get(connection, instance_id)

    @_completed
    async def stock(self, instance: Instance, *, capacity: int) -> Instance | None:
        async with self._writing() as connection:
            counts = await _counts(connection)
            place = await self._free_place(connection, capacity - counts.queued)
            if place is None:
                return None
            await connection.execute(insert(instances).values(_values(instance) | place))
            return await _get(connection, instance.id)

    async def _free_place(
        self, connection: AsyncConnection, capacity: int
    ) -> dict[str, Any] | None:
        """The columns of the next one; None where all places or addresses are taken."""
        query = select(instances.c.address).where(instances.c.state.in_(PLACED))
        in_use = (await connection.execute(query)).scalars().all()
        if len(in_use) >= capacity:
            return None
        query = select(instances.c.placing, instances.c.address)
        query = query.where(instances.c.placing.is_not(None))
        latest = (
            await connection.execute(query.order_by(instances.c.placing.desc()).limit(1))
        ).first()
        address = self._plan.after(latest.address if latest else None, in_use)
        if address is None:
            return None
        return {"address": address, "placing": latest.placing + 1 if latest else 1}

    @_completed
    async def claim(
        self,
        instance_id: str,
        *,
        owner: str,
        name: str | None,
        lifetime: timedelta,
        now: datetime,
        expires_at: datetime,
        request_key: str | None = None,
    ) -> Instance | None:
        ready = instances.c.state == State.READY
        statement = (
            update(instances)
            .where(
                instances.c.id == instance_id,
                instances.c.pooled,
                instances.c.state.in_({State.STARTING, State.READY}),
                instances.c.expires_at > now,
            )
            .values(
                pooled=False,
                owner=owner,
                name=name,
                lifetime=lifetime,
                request_key=request_key,
                created_at=now,
                ready_at=case((ready, literal(now, UtcDateTime))),
                expires_at=expires_at,
            )
        )
        async with self._writing() as connection:
            if earlier := await _earlier(connection, owner, request_key):
                return earlier
            result = await connection.execute(statement)
            return await _get(connection, instance_id) if result.rowcount else None

    @_completed
    async def make_ready(
        self, instance_id: str, *, now: datetime, timings: Timings
    ) -> Instance | None:
        async with self._writing() as connection:
            row = await _find(connection, instance_id, for_update=True)
            if row is None or not row.state.pending:
                return None
            changes = {
                "state": State.READY,
                "stage": Stage.READY,
                "detail": None,
                "ready_at": now,
                "expires_at": row.expires_at if row.pooled else now + row.lifetime,
                "timings": dict(timings),
            }
            await connection.execute(
                update(instances).where(instances.c.id == instance_id).values(changes)
            )
            return await _get(connection, instance_id)

    @_completed
    async def adopt(self, instance: Instance) -> bool:
        try:
            async with self._writing() as connection:
                await connection.execute(insert(instances).values(_values(instance)))
        except IntegrityError:
            return False
        return True

    async def get(self, instance_id: str) -> Instance | None:
        rows = await self._rows(select(*_ROW).where(instances.c.id == instance_id))
        return _instance(rows[0]) if rows else None

    async def by_request_key(self, owner: str, request_key: str) -> Instance | None:
        rows = await self._rows(_by_request_key(owner, request_key))
        return _instance(rows[0]) if rows else None

    async def list(
        self, *, owner: str | None = None, states: Collection[State] = ()
    ) -> tuple[Instance, ...]:
        query = select(*_ROW).order_by(instances.c.created_at, instances.c.seq)
        if owner is not None:
            query = query.where(instances.c.owner == owner)
        if states:
            query = query.where(instances.c.state.in_(states))
        return tuple(map(_instance, await self._rows(query)))

    async def update(
        self,
        instance_id: str,
        *,
        only_in: Collection[State],
        due_by: datetime | None = None,
        pooled: bool | None = None,
        **changes: object,
    ) -> Instance | None:
        conditions: list[ColumnElement[bool]] = [instances.c.state.in_(only_in)]
        if due_by is not None:
            conditions.append(instances.c.expires_at <= due_by)
        if pooled is not None:
            conditions.append(instances.c.pooled.is_(pooled))
        return await self._change(instance_id, *conditions, changes=changes)

    async def renew(
        self, instance_id: str, *, was: datetime, now: datetime, until: datetime
    ) -> Instance | None:
        return await self._change(
            instance_id,
            instances.c.state == State.READY,
            instances.c.pooled.is_(False),
            instances.c.expires_at == was,
            instances.c.expires_at > now,
            changes={"expires_at": until},
        )

    @_completed
    async def _change(
        self, instance_id: str, *conditions: ColumnElement[bool], changes: dict[str, object]
    ) -> Instance | None:
        statement = update(instances).where(instances.c.id == instance_id, *conditions)
        async with self._writing() as connection:
            result = await connection.execute(statement.values(changes))
            return await _get(connection, instance_id) if result.rowcount else None

    @_completed
    async def counts(self) -> Counts:
        with translated():
            async with self._reader.connect() as connection:
                return await _counts(connection)

    async def measured(self, limit: int) -> tuple[tuple[str, Timings], ...]:
        query = (
            select(instances.c.distribution, instances.c.timings)
            .where(instances.c.ready_at.is_not(None), instances.c.timings != {})
            .order_by(instances.c.seq.desc())
            .limit(limit)
        )
        rows = await self._rows(query)
        return tuple((row["distribution"], row["timings"]) for row in reversed(rows))

    async def arrivals(self, since: datetime) -> tuple[tuple[str, datetime], ...]:
        query = (
            select(instances.c.distribution, instances.c.created_at)
            .where(_LAUNCHED, instances.c.created_at >= since)
            .order_by(instances.c.created_at)
        )
        return tuple((row["distribution"], row["created_at"]) for row in await self._rows(query))

    @_completed
    async def save_log(self, instance_id: str, text: str) -> None:
        async with self._writing() as connection:
            await connection.execute(delete(logs).where(logs.c.instance_id == instance_id))
            await connection.execute(insert(logs).values(instance_id=instance_id, text=text))

    async def log(self, instance_id: str) -> str | None:
        rows = await self._rows(select(logs.c.text).where(logs.c.instance_id == instance_id))
        return rows[0]["text"] if rows else None

    async def stats(self) -> Stats:
        async def counts(column: Any) -> dict[str, int]:
            query = select(column.label("key"), func.count().label("n")).where(_LAUNCHED)
            rows = await self._rows(query.group_by(column))
            return {row["key"]: row["n"] for row in rows if row["key"]}

        latest = (
            select(instances.c.distribution, instances.c.created_at, instances.c.ready_at)
            .where(_LAUNCHED, instances.c.ready_at.is_not(None), instances.c.timings != {})
            .order_by(instances.c.seq.desc())
            .limit(STATS_SAMPLE)
        )
        times: dict[str, list[float]] = {}
        for row in await self._rows(latest):
            took = (row["ready_at"] - row["created_at"]).total_seconds()
            times.setdefault(row["distribution"], []).append(took)
        return Stats(
            by_state=await counts(instances.c.state),
            launches=await counts(instances.c.distribution),
            endings=await counts(instances.c.reason),
            startup={slug: percentiles(sample) for slug, sample in times.items()},
        )

    @_completed
    async def forget(self, *, ended_before: datetime) -> int:
        async with self._writing() as connection:
            result = await connection.execute(
                delete(instances).where(
                    instances.c.state.in_(ENDED), instances.c.ended_at < ended_before
                )
            )
            return result.rowcount

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._write_lock, self._engine.begin() as connection:
                yield connection

    @_completed
    async def _rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        with translated():
            async with self._reader.connect() as connection:
                result = await connection.execute(query)
                return list(result.mappings())


def _instance(row: RowMapping) -> Instance:
    values = dict(row)
    values["state"] = State(values["state"])
    values["stage"] = Stage(values["stage"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    return Instance(**values)


def _values(instance: Instance) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in _FIELDS}


async def _find(
    connection: AsyncConnection, instance_id: str, *, for_update: bool = False
) -> Instance | None:
    query = select(*_ROW).where(instances.c.id == instance_id)
    if for_update:
        query = query.with_for_update()  # SQLite, which has one writer at a time, leaves it out
    row = (await connection.execute(query)).mappings().first()
    return _instance(row) if row else None


async def _get(connection: AsyncConnection, instance_id: str) -> Instance:
    found = await _find(connection, instance_id)
    assert found is not None
    return found


async def _earlier(
    connection: AsyncConnection, owner: str, request_key: str | None
) -> Instance | None:
    """What this owner launched with this key before."""
    if request_key is None:
        return None
    row = (await connection.execute(_by_request_key(owner, request_key))).mappings().first()
    return _instance(row) if row else None


def _by_request_key(owner: str, request_key: str) -> Select[Any]:
    return select(*_ROW).where(instances.c.owner == owner, instances.c.request_key == request_key)


async def _counts(connection: AsyncConnection) -> Counts:
    placed = instances.c.state.in_(PLACED)
    query = select(
        func.count().filter(placed),
        func.count().filter(placed, instances.c.pooled),
        func.count().filter(instances.c.state == State.QUEUED),
    ).where(instances.c.state.in_(LIVE))
    return Counts(*(await connection.execute(query)).one())
