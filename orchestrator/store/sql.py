"""The store on SQLAlchemy Core: SQLite by default, PostgreSQL by URL.

Writers of this process wait for each other in order: SQLite's own waiting is polling, 20 times
slower. Whoever has waited for `database.PATIENCE` is told so.

What has been begun is completed, even where whoever asked for it is cancelled meanwhile; `close`
waits for it.
"""

import asyncio
import functools
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.addresses import AddressPlan
from ..domain.errors import NotSupported, UnknownInstance
from ..domain.limits import Quota
from ..domain.measures import Timings
from ..domain.models import (
    ENDED,
    LEASED,
    Claim,
    Instance,
    Stage,
    State,
)
from . import copies
from .base import Restored, Stats
from .database import (
    PATIENCE,
    create_engine,
    migrate,
    require_usable,
    sqlite_path,
    translated,
)
from .integrity import set_aside_if_damaged
from .launches import forget_launches, note_launch, require_quota
from .rows import (
    BY_ID,
    COLUMNS,
    by_request_key,
    change,
    count,
    earlier,
    find,
    free_place,
    instance_of,
    shift,
    values_of,
)
from .sql_safeguards import SqlSafeguards
from .statistics import read_arrivals, read_last_ready, read_measured, read_stats
from .tables import UtcDateTime, instances, logs

P = ParamSpec("P")
T = TypeVar("T")


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
        self._path = sqlite_path(self._engine.url)
        self._write_lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._plan = plan
        self.safeguards = SqlSafeguards(self._transact, self._rows)

    @_completed
    async def prepare(self) -> None:
        with translated():
            await asyncio.to_thread(require_usable, str(self._engine.url))
            if self._path:
                await asyncio.to_thread(copies.clear_workspaces, self._path)
                await asyncio.to_thread(set_aside_if_damaged, self._path)
        async with self._writing() as connection:
            await connection.run_sync(migrate)

    async def close(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._engine.dispose()

    async def check(self) -> None:
        await self._rows(select(func.count()).select_from(instances).where(instances.c.seq < 0))

    def workspace(self) -> AbstractContextManager[Path]:
        return copies.workspace(self._file())

    @_completed
    async def backup(self, target: Path) -> None:
        with translated():
            await asyncio.to_thread(copies.copy, self._file(), target)

    @_completed
    async def restore(self, upload: Path, now: datetime) -> Restored:
        with translated():
            await asyncio.to_thread(copies.check_and_migrate, upload)
            async with self._turn():
                return await asyncio.to_thread(copies.put_in_place, upload, self._file(), now)

    def _file(self) -> Path:
        if self._path is None:
            raise NotSupported(
                "This database is not a file of ours.",
                hint="Use `pg_dump` and `pg_restore` on PostgreSQL, with the service stopped for "
                "the latter.",
            )
        return self._path

    @_completed
    async def admit(
        self,
        instance: Instance,
        *,
        room: int,
        request_key: str | None = None,
        quota: Quota | None = None,
    ) -> Instance | None:
        async with self._writing() as connection:
            if known := await earlier(connection, instance.owner, request_key):
                return known
            await require_quota(connection, quota)
            counts = await count(connection)
            if counts.queued + counts.placed - counts.pooled >= room:
                return None
            values = values_of(instance) | {"request_key": request_key}
            await connection.execute(insert(instances).values(values))
            await note_launch(connection, quota, instance.id)
            return instance

    @_completed
    async def place(
        self, instance_id: str, *, capacity: int, expires_at: datetime
    ) -> Instance | None:
        async with self._writing() as connection:
            row = await find(connection, instance_id, for_update=True)
            if row is None:
                raise UnknownInstance(instance_id)
            if row.state is not State.QUEUED:
                return row
            place = await free_place(connection, self._plan, capacity)
            if place is None:
                return None
            changes = {"state": State.STARTING, "stage": Stage.CONTAINER, "expires_at": expires_at}
            return await change(connection, instances.c.id == instance_id, changes | place)

    @_completed
    async def move(self, instance_id: str) -> Instance | None:
        async with self._writing() as connection:
            place = await free_place(connection, self._plan)
            if place is None:
                return None
            where = and_(instances.c.id == instance_id, instances.c.state == State.STARTING)
            return await change(connection, where, place)

    @_completed
    async def stock(self, instance: Instance, *, capacity: int) -> Instance | None:
        async with self._writing() as connection:
            counts = await count(connection)
            place = await free_place(connection, self._plan, capacity - counts.queued)
            if place is None:
                return None
            await connection.execute(insert(instances).values(values_of(instance) | place))
            return replace(instance, address=place["address"])

    @_completed
    async def claim(
        self, instance_id: str, claim: Claim, *, quota: Quota | None = None
    ) -> Instance | None:
        is_ready = instances.c.state == State.READY
        claimable = and_(
            instances.c.id == instance_id,
            instances.c.pooled,
            instances.c.state.in_(LEASED),
            instances.c.expires_at > claim.now,
        )
        changes = {
            "pooled": False,
            "owner": claim.owner,
            "name": claim.name,
            "lifetime": claim.lifetime,
            "request_key": claim.request_key,
            "created_at": claim.now,
            "ready_at": case((is_ready, literal(claim.now, UtcDateTime))),
            "expires_at": claim.expires_at,
        }
        async with self._writing() as connection:
            if known := await earlier(connection, claim.owner, claim.request_key):
                return known
            await require_quota(connection, quota)
            claimed = await change(connection, claimable, changes)
            if claimed is not None:
                await note_launch(connection, quota, instance_id)
            return claimed

    @_completed
    async def make_ready(
        self, instance_id: str, *, now: datetime, timings: Timings
    ) -> Instance | None:
        async with self._writing() as connection:
            row = await find(connection, instance_id, for_update=True)
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
            return await change(connection, instances.c.id == instance_id, changes)

    @_completed
    async def adopt(self, instance: Instance) -> bool:
        try:
            async with self._writing() as connection:
                await connection.execute(insert(instances).values(values_of(instance)))
        except IntegrityError:
            return False
        return True

    async def get(self, instance_id: str) -> Instance | None:
        rows = await self._rows(BY_ID, {"id": instance_id})
        return instance_of(rows[0]) if rows else None

    async def by_request_key(self, owner: str, request_key: str) -> Instance | None:
        rows = await self._rows(by_request_key(owner, request_key))
        return instance_of(rows[0]) if rows else None

    async def list(
        self, *, owner: str | None = None, states: Collection[State] = ()
    ) -> tuple[Instance, ...]:
        query = select(*COLUMNS).order_by(instances.c.created_at, instances.c.seq)
        if owner is not None:
            query = query.where(instances.c.owner == owner)
        if states:
            query = query.where(instances.c.state.in_(states))
        return tuple(map(instance_of, await self._rows(query)))

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
        async with self._writing() as connection:
            where = and_(instances.c.id == instance_id, *conditions)
            return await change(connection, where, changes)

    @_completed
    async def shift(self, by: timedelta) -> tuple[Instance, ...]:
        async with self._writing() as connection:
            return await shift(connection, by)

    async def measured(self, limit: int) -> tuple[tuple[str, Timings], ...]:
        return await read_measured(self._rows, limit)

    async def last_ready(self) -> dict[str, datetime]:
        return await read_last_ready(self._rows)

    async def arrivals(self, since: datetime) -> tuple[tuple[str, datetime], ...]:
        return await read_arrivals(self._rows, since)

    @_completed
    async def save_log(self, instance_id: str, text: str) -> None:
        async with self._writing() as connection:
            await connection.execute(delete(logs).where(logs.c.instance_id == instance_id))
            await connection.execute(insert(logs).values(instance_id=instance_id, text=text))

    async def log(self, instance_id: str) -> str | None:
        rows = await self._rows(select(logs.c.text).where(logs.c.instance_id == instance_id))
        return rows[0]["text"] if rows else None

    @_completed
    async def forget_logs(self, *, ended_before: datetime) -> int:
        over = select(instances.c.id).where(
            instances.c.state.in_(ENDED), instances.c.ended_at < ended_before
        )
        async with self._writing() as connection:
            result = await connection.execute(delete(logs).where(logs.c.instance_id.in_(over)))
            return result.rowcount

    async def stats(self) -> Stats:
        return await read_stats(self._rows)

    @_completed
    async def forget_launches(self, *, before: datetime) -> None:
        async with self._writing() as connection:
            await forget_launches(connection, before)

    @_completed
    async def forget(self, *, ended_before: datetime) -> int:
        async with self._writing() as connection:
            result = await connection.execute(
                delete(instances).where(
                    instances.c.state.in_(ENDED), instances.c.ended_at < ended_before
                )
            )
            return result.rowcount

    @_completed
    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._writing() as connection:
            return await work(connection)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        until = time.monotonic() + PATIENCE
        with translated():
            async with self._turn():
                writer = self._engine.execution_options(distros_until=until)
                async with writer.begin() as connection:
                    yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Raises TimeoutError where it does not come in time."""
        async with asyncio.timeout(PATIENCE):
            await self._write_lock.acquire()
        try:
            yield
        finally:
            self._write_lock.release()

    @_completed
    async def _rows(
        self, query: Select[Any], values: Mapping[str, object] | None = None
    ) -> Sequence[RowMapping]:
        with translated():
            async with self._engine.connect() as connection:
                result = await connection.execute(query, values)
                return list(result.mappings())
