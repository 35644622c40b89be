"""Instances as rows, and the queries that several transactions share."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.addresses import AddressPlan
from ..domain.models import LIVE, PLACED, Instance, Reason, Stage, State
from .base import Counts
from .tables import instances

FIELDS: Final = tuple(Instance.__dataclass_fields__)
COLUMNS: Final = tuple(instances.c[name] for name in FIELDS)

# Made once: to build a statement takes longer than to run it.
BY_ID: Final = select(*COLUMNS).where(instances.c.id == bindparam("id"))
_BY_ID_FOR_UPDATE = BY_ID.with_for_update()  # SQLite, which has one writer at a time, leaves it out
_LIVE = (
    select(*COLUMNS).where(instances.c.state.in_(LIVE)).order_by(instances.c.seq).with_for_update()
)
_MOMENTS = ("created_at", "ready_at", "expires_at")
_MOVE = (
    update(instances)
    .where(instances.c.id == bindparam("of"))
    .values({name: bindparam(name) for name in _MOMENTS})
)
_PLACED = instances.c.state.in_(PLACED)
_COUNTS = select(
    func.count().filter(_PLACED),
    func.count().filter(_PLACED, instances.c.pooled),
    func.count().filter(instances.c.state == State.QUEUED),
).where(instances.c.state.in_(LIVE))
_ADDRESSES_IN_USE = select(instances.c.address).where(_PLACED)
_LATEST_PLACE = (
    select(instances.c.placing, instances.c.address)
    .where(instances.c.placing.is_not(None))
    .order_by(instances.c.placing.desc())
    .limit(1)
)


def instance_of(row: RowMapping) -> Instance:
    values = dict(row)
    values["state"] = State(values["state"])
    values["stage"] = Stage(values["stage"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    return Instance(**values)


def values_of(instance: Instance) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in FIELDS}


async def find(
    connection: AsyncConnection, instance_id: str, *, for_update: bool = False
) -> Instance | None:
    query = _BY_ID_FOR_UPDATE if for_update else BY_ID
    row = (await connection.execute(query, {"id": instance_id})).mappings().first()
    return instance_of(row) if row else None


async def earlier(
    connection: AsyncConnection, owner: str, request_key: str | None
) -> Instance | None:
    """What this owner launched with this key before."""
    if request_key is None:
        return None
    row = (await connection.execute(by_request_key(owner, request_key))).mappings().first()
    return instance_of(row) if row else None


def by_request_key(owner: str, request_key: str) -> Select[Any]:
    return select(*COLUMNS).where(
        instances.c.owner == owner, instances.c.request_key == request_key
    )


async def count(connection: AsyncConnection) -> Counts:
    return Counts(*(await connection.execute(_COUNTS)).one())


async def free_place(
    connection: AsyncConnection, plan: AddressPlan, capacity: int | None = None
) -> dict[str, Any] | None:
    """The columns of the next one; None where all places or addresses are taken. The capacity does
    not matter to what has a place."""
    in_use = (await connection.execute(_ADDRESSES_IN_USE)).scalars().all()
    if capacity is not None and len(in_use) >= capacity:
        return None
    latest = (await connection.execute(_LATEST_PLACE)).first()
    address = plan.after(latest.address if latest else None, in_use)
    if address is None:
        return None
    return {"address": address, "placing": latest.placing + 1 if latest else 1}


async def shift(connection: AsyncConnection, by: timedelta) -> tuple[Instance, ...]:
    """Row by row, in one transaction: SQL's arithmetic on moments differs with each database."""
    found = (await connection.execute(_LIVE)).mappings()
    moved = tuple(_moved(instance_of(row), by) for row in found)
    for instance in moved:
        values = values_of(instance)
        moments = {name: values[name] for name in _MOMENTS}
        await connection.execute(_MOVE, {"of": instance.id} | moments)
    return moved


def _moved(instance: Instance, by: timedelta) -> Instance:
    return replace(
        instance,
        created_at=instance.created_at + by,
        ready_at=instance.ready_at and instance.ready_at + by,
        expires_at=instance.expires_at + by,
    )


async def change(
    connection: AsyncConnection, where: ColumnElement[bool], changes: Mapping[str, object]
) -> Instance | None:
    """The row as it is then; None where there was none to change."""
    statement = update(instances).where(where).values(changes).returning(*COLUMNS)
    row = (await connection.execute(statement)).mappings().first()
    return instance_of(row) if row else None
