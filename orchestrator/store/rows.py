"""Instances as rows, and the queries that several transactions share."""

from typing import Any, Final

from sqlalchemy import RowMapping, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.addresses import AddressPlan
from ..domain.models import LIVE, PLACED, Instance, Reason, Stage, State
from .base import Counts
from .tables import instances

FIELDS: Final = tuple(Instance.__dataclass_fields__)
COLUMNS: Final = tuple(instances.c[name] for name in FIELDS)


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
    query = select(*COLUMNS).where(instances.c.id == instance_id)
    if for_update:
        query = query.with_for_update()  # SQLite, which has one writer at a time, leaves it out
    row = (await connection.execute(query)).mappings().first()
    return instance_of(row) if row else None


async def get(connection: AsyncConnection, instance_id: str) -> Instance:
    found = await find(connection, instance_id)
    assert found is not None
    return found


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
    placed = instances.c.state.in_(PLACED)
    query = select(
        func.count().filter(placed),
        func.count().filter(placed, instances.c.pooled),
        func.count().filter(instances.c.state == State.QUEUED),
    ).where(instances.c.state.in_(LIVE))
    return Counts(*(await connection.execute(query)).one())


async def free_place(
    connection: AsyncConnection, plan: AddressPlan, capacity: int
) -> dict[str, Any] | None:
    """The columns of the next one; None where all places or addresses are taken."""
    query = select(instances.c.address).where(instances.c.state.in_(PLACED))
    in_use = (await connection.execute(query)).scalars().all()
    if len(in_use) >= capacity:
        return None
    query = select(instances.c.placing, instances.c.address)
    query = query.where(instances.c.placing.is_not(None))
    latest = (await connection.execute(query.order_by(instances.c.placing.desc()).limit(1))).first()
    address = plan.after(latest.address if latest else None, in_use)
    if address is None:
        return None
    return {"address": address, "placing": latest.placing + 1 if latest else 1}
