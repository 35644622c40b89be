"""The store on SQLAlchemy Core: SQLite. Its statements are written for PostgreSQL as well, but no
driver for that comes along, and no test has run on it."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    insert,
    literal,
    select,
)
from sqlalchemy.exc import IntegrityError

from ..domain.addresses import AddressPlan
from ..domain.errors import UnknownInstance
from ..domain.history import Count, Start
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
from .base import Stats
from .history import add_count, forget_counts, keep_counts, read_counts, read_starts
from .launches import (
    forget_launches,
    note_launch,
    require_quota,
    require_renewable,
    shift_uses,
)
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
from .sql_database import SqlDatabase, completed
from .sql_safeguards import SqlSafeguards
from .statistics import read_arrivals, read_last_ready, read_measured, read_stats
from .tables import UtcDateTime, instances, logs


class SqlStore(SqlDatabase):
    def __init__(self, url: str, plan: AddressPlan) -> None:
        super().__init__(url)
        self._plan = plan
        self.safeguards = SqlSafeguards(self._transact, self._rows)

    @completed
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

    @completed
    async def place(
        self, instance_id: str, *, capacity: int, expires_at: datetime, egress: bool = False
    ) -> Instance | None:
        async with self._writing() as connection:
            row = await find(connection, instance_id, for_update=True)
            if row is None:
                raise UnknownInstance(instance_id)
            if row.state is not State.QUEUED:
                return row
            place = await free_place(connection, self._plan, capacity, egress=egress)
            if place is None:
                return None
            changes = {"state": State.STARTING, "stage": Stage.CONTAINER, "expires_at": expires_at}
            return await change(connection, instances.c.id == instance_id, changes | place)

    @completed
    async def move(self, instance_id: str, *, egress: bool = False) -> Instance | None:
        async with self._writing() as connection:
            place = await free_place(connection, self._plan, egress=egress)
            if place is None:
                return None
            where = and_(instances.c.id == instance_id, instances.c.state == State.STARTING)
            return await change(connection, where, place)

    @completed
    async def stock(
        self, instance: Instance, *, capacity: int, egress: bool = False
    ) -> Instance | None:
        async with self._writing() as connection:
            counts = await count(connection)
            free = capacity - counts.queued
            place = await free_place(connection, self._plan, free, egress=egress)
            if place is None:
                return None
            await connection.execute(insert(instances).values(values_of(instance) | place))
            return replace(instance, address=place["address"])

    @completed
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

    @completed
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

    @completed
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

    @completed
    async def renew(
        self,
        instance_id: str,
        *,
        was: datetime,
        now: datetime,
        until: datetime,
        address: str | None = None,
    ) -> Instance | None:
        still_so = and_(
            instances.c.id == instance_id,
            instances.c.state == State.READY,
            instances.c.pooled.is_(False),
            instances.c.expires_at == was,
            instances.c.expires_at > now,
        )
        async with self._writing() as connection:
            if address is not None:
                await require_renewable(connection, instance_id, address)
            return await change(connection, still_so, {"expires_at": until})

    @completed
    async def _change(
        self, instance_id: str, *conditions: ColumnElement[bool], changes: dict[str, object]
    ) -> Instance | None:
        async with self._writing() as connection:
            where = and_(instances.c.id == instance_id, *conditions)
            return await change(connection, where, changes)

    @completed
    async def shift(self, by: timedelta) -> tuple[Instance, ...]:
        async with self._writing() as connection:
            await shift_uses(connection, by)
            return await shift(connection, by)

    async def measured(self, limit: int) -> tuple[tuple[str, Timings], ...]:
        return await read_measured(self._rows, limit)

    async def last_ready(self) -> dict[str, datetime]:
        return await read_last_ready(self._rows)

    async def arrivals(self, since: datetime) -> tuple[tuple[str, datetime], ...]:
        return await read_arrivals(self._rows, since)

    @completed
    async def save_log(self, instance_id: str, text: str) -> None:
        async with self._writing() as connection:
            await connection.execute(delete(logs).where(logs.c.instance_id == instance_id))
            await connection.execute(insert(logs).values(instance_id=instance_id, text=text))

    async def log(self, instance_id: str) -> str | None:
        rows = await self._rows(select(logs.c.text).where(logs.c.instance_id == instance_id))
        return rows[0]["text"] if rows else None

    @completed
    async def forget_logs(self, *, ended_before: datetime) -> int:
        over = select(instances.c.id).where(
            instances.c.state.in_(ENDED), instances.c.ended_at < ended_before
        )
        async with self._writing() as connection:
            result = await connection.execute(delete(logs).where(logs.c.instance_id.in_(over)))
            return result.rowcount

    async def stats(self) -> Stats:
        return await read_stats(self._rows)

    async def counts(self, since: date) -> tuple[Count, ...]:
        return await read_counts(self._rows, since)

    @completed
    async def count(self, one: Count) -> None:
        async with self._writing() as connection:
            await add_count(connection, one)

    async def starts(self, limit: int) -> tuple[Start, ...]:
        return await read_starts(self._rows, limit)

    @completed
    async def forget_counts(self, *, before: date) -> None:
        async with self._writing() as connection:
            await forget_counts(connection, before)

    @completed
    async def forget_launches(self, *, before: datetime) -> None:
        async with self._writing() as connection:
            await forget_launches(connection, before)

    @completed
    async def forget(self, *, ended_before: datetime) -> int:
        over = and_(instances.c.state.in_(ENDED), instances.c.ended_at < ended_before)
        async with self._writing() as connection:
            await keep_counts(connection, over)
            result = await connection.execute(delete(instances).where(over))
            return result.rowcount
