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
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.models import (
    ALIVE,
    ENDED,
    LIVE,
    RESERVED_ADDRESSES,
    UNASSIGNED,
    Instance,
    Reason,
    Stage,
    State,
    next_address,
)
from .base import Percentiles, Stats
from .database import create_engine, migrate, translated
from .tables import instances, logs

P = ParamSpec("P")
T = TypeVar("T")

STATS_SAMPLE = 2_000  # latest launches from which percentiles are computed

_FIELDS = tuple(Instance.__dataclass_fields__)
_ROW = tuple(instances.c[name] for name in _FIELDS)


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
    def __init__(self, url: str, subnet: IPv4Network) -> None:
        self._engine = create_engine(url)
        self._write_lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._reader = self._engine.execution_options(distros_read_only=True)
        self._first = subnet.network_address + RESERVED_ADDRESSES
        self._last = subnet.broadcast_address - 1

    @_completed
    async def prepare(self) -> None:
        async with self._writing() as connection:
            await connection.run_sync(migrate)

    async def close(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._engine.dispose()

    async def check(self) -> None:
        await self._rows(select(func.count()).select_from(instances).where(instances.c.seq < 0))

    @_completed
    async def admit(
        self, instance: Instance, *, capacity: int, request_key: str | None = None
    ) -> Instance | None:
        async with self._writing() as connection:
            if request_key is not None:
                earlier = await connection.execute(_by_request_key(instance.owner, request_key))
                if row := earlier.mappings().first():
                    return _instance(row)
            in_use = await _addresses_in_use(connection)
            latest = await _latest(connection)
            address = next_address(self._first, self._last, latest, set(in_use))
            if len(in_use) >= capacity or address is None:
                return None
            values = _values(instance) | {"address": address, "request_key": request_key}
            await connection.execute(insert(instances).values(values))
            return await _get(connection, instance.id)

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
        query = select(*_ROW).order_by(instances.c.seq)
        if owner is not None:
            query = query.where(instances.c.owner == owner)
        if states:
            query = query.where(instances.c.state.in_(states))
        return tuple(map(_instance, await self._rows(query)))

    async def due(self, now: datetime) -> tuple[Instance, ...]:
        query = select(*_ROW).where(instances.c.state.in_(ALIVE), instances.c.expires_at <= now)
        return tuple(map(_instance, await self._rows(query.order_by(instances.c.expires_at))))

    async def next_expiry(self) -> datetime | None:
        query = select(func.min(instances.c.expires_at)).where(instances.c.state.in_(ALIVE))
        soonest: datetime | None = (await self._rows(query))[0]["min_1"]
        return soonest

    async def update(
        self,
        instance_id: str,
        *,
        only_in: Collection[State],
        due_by: datetime | None = None,
        **changes: object,
    ) -> Instance | None:
        conditions: list[ColumnElement[bool]] = [instances.c.state.in_(only_in)]
        if due_by is not None:
            conditions.append(instances.c.expires_at <= due_by)
        return await self._change(instance_id, *conditions, changes=changes)

    async def renew(
        self, instance_id: str, *, was: datetime, now: datetime, until: datetime
    ) -> Instance | None:
        return await self._change(
            instance_id,
            instances.c.state == State.READY,
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

    async def queue_position(self, instance: Instance) -> int | None:
        if instance.state is not State.QUEUED:
            return None
        mine = select(instances.c.seq).where(instances.c.id == instance.id).scalar_subquery()
        query = select(func.count().label("ahead")).where(
            instances.c.state == State.QUEUED, instances.c.seq < mine
        )
        return int((await self._rows(query))[0]["ahead"]) + 1

    async def count_live(self) -> int:
        query = select(func.count().label("live")).where(instances.c.state.in_(LIVE))
        return int((await self._rows(query))[0]["live"])

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
            query = select(column.label("key"), func.count().label("n")).group_by(column)
            return {row["key"]: row["n"] for row in await self._rows(query) if row["key"]}

        latest = (
            select(instances.c.distribution, instances.c.created_at, instances.c.ready_at)
            .where(instances.c.ready_at.is_not(None), instances.c.timings != {})
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


def percentiles(sample: Sequence[float]) -> Percentiles:
    """Nearest-rank percentiles of a non-empty sample."""
    ranked = sorted(sample)

    def at(percent: int) -> float:
        return round(ranked[max(0, -(-len(ranked) * percent // 100) - 1)], 3)

    return Percentiles(count=len(ranked), p50=at(50), p90=at(90), p99=at(99))


def _instance(row: RowMapping) -> Instance:
    values = dict(row)
    values["state"] = State(values["state"])
    values["stage"] = Stage(values["stage"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    return Instance(**values)


def _values(instance: Instance) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in _FIELDS}


async def _get(connection: AsyncConnection, instance_id: str) -> Instance:
    query = select(*_ROW).where(instances.c.id == instance_id)
    return _instance((await connection.execute(query)).mappings().one())


def _by_request_key(owner: str, request_key: str) -> Select[Any]:
    return select(*_ROW).where(instances.c.owner == owner, instances.c.request_key == request_key)


async def _addresses_in_use(connection: AsyncConnection) -> list[IPv4Address]:
    query = select(instances.c.address).where(instances.c.state.in_(LIVE))
    return list((await connection.execute(query)).scalars())


async def _latest(connection: AsyncConnection) -> IPv4Address | None:
    assigned = select(instances.c.address).where(instances.c.address != UNASSIGNED)
    query = assigned.order_by(instances.c.seq.desc()).limit(1)
    return (await connection.execute(query)).scalar()
