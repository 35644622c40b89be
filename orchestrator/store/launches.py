"""What the limits count, read and written in the transaction that admits a launch."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ScalarSelect,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.errors import RenewalBanned
from ..domain.limits import WINDOW, Quota, Usage, Whose, refusal
from ..domain.models import LIVE
from ..domain.safeguards import BanKind
from .safeguard_tables import bans, pauses, spent
from .tables import instances, launches

_WHOSE: Final[tuple[Whose, ...]] = ("visitor", "address", "network")
_UNLIMITED: Final = 2**31  # so many launches nobody has


def _nth_latest(whose: Whose) -> ScalarSelect[Any]:
    """When the launch was made that has as many after it as are allowed, less one."""
    return (
        select(launches.c.at)
        .where(launches.c[whose] == bindparam(whose), launches.c.at > bindparam("since"))
        .order_by(launches.c.at.desc())
        .limit(1)
        .offset(bindparam(f"{whose}_skip"))
        .scalar_subquery()
    )


_BANNED = select(func.count()).select_from(bans)
_BAN_OF_ORIGIN = _BANNED.where(
    or_(
        and_(bans.c.kind == BanKind.VISITOR, bans.c.key == bindparam("visitor")),
        and_(bans.c.kind == BanKind.ADDRESS, bans.c.key == bindparam("address")),
    )
)
_BAN_OF_DISTRIBUTION = _BANNED.where(
    bans.c.kind == BanKind.DISTRIBUTION, bans.c.key == bindparam("distribution")
)
# Of an instance: its owner's, that of the address it was launched from, or that of who asks now.
_BAN_ON_RENEWAL = (
    select(func.count())
    .select_from(
        instances.join(bans, literal(True)).outerjoin(
            launches, launches.c.instance_id == instances.c.id
        )
    )
    .where(
        instances.c.id == bindparam("id"),
        or_(
            and_(bans.c.kind == BanKind.VISITOR, bans.c.key == instances.c.owner),
            and_(bans.c.kind == BanKind.DISTRIBUTION, bans.c.key == instances.c.distribution),
            and_(
                bans.c.kind == BanKind.ADDRESS,
                or_(bans.c.key == bindparam("address"), bans.c.key == launches.c.address),
            ),
        ),
    )
)
_OF_VISITOR = select(instances.c.id).where(
    instances.c.owner == bindparam("visitor"), instances.c.state.in_(LIVE)
)
_OF_ADDRESS = (
    select(instances.c.id)
    .join(launches, launches.c.instance_id == instances.c.id)
    .where(launches.c.address == bindparam("address"), instances.c.state.in_(LIVE))
)

# One statement, made once: each round trip costs a claim more than all of these look-ups.
_USAGE = select(
    select(pauses.c.reason).limit(1).scalar_subquery().label("pause"),
    _BAN_OF_ORIGIN.scalar_subquery().label("banned"),
    _BAN_OF_DISTRIBUTION.scalar_subquery().label("distribution_banned"),
    *(_nth_latest(whose).label(f"{whose}_nth") for whose in _WHOSE),
    *(
        query.with_only_columns(column).scalar_subquery().label(f"{whose}_{name}")
        for whose, query in (("visitor", _OF_VISITOR), ("address", _OF_ADDRESS))
        for name, column in (("live", func.count()), ("end", func.min(instances.c.expires_at)))
    ),
)


_MOVE_LAUNCH = (
    update(launches).where(launches.c.instance_id == bindparam("of")).values(at=bindparam("at"))
)
_MOVE_PROOF = (
    update(spent)
    .where(spent.c.key == bindparam("of"))
    .values(at=bindparam("at"), until=bindparam("until"))
)


async def require_quota(connection: AsyncConnection, quota: Quota | None) -> None:
    """Raises what `refusal` says."""
    if quota is None:
        return
    allowed = quota.allowance.launches
    values: dict[str, Any] = {
        "visitor": quota.visitor,
        "address": quota.address,
        "network": quota.network,
        "distribution": quota.distribution,
        "since": quota.now - WINDOW,
    } | {f"{whose}_skip": (allowed.get(whose) or _UNLIMITED) - 1 for whose in _WHOSE}
    row = (await connection.execute(_USAGE, values)).mappings().one()
    usage = Usage(
        launch_until={
            whose: nth + WINDOW if (nth := row[f"{whose}_nth"]) else None for whose in _WHOSE
        },
        live={whose: row[f"{whose}_live"] for whose in ("visitor", "address")},
        next_end={whose: row[f"{whose}_end"] for whose in ("visitor", "address")},
        pause=row["pause"],
        banned=bool(row["banned"]),
        distribution_banned=bool(row["distribution_banned"]),
    )
    if refused := refusal(quota, usage):
        raise refused


async def require_renewable(connection: AsyncConnection, instance_id: str, address: str) -> None:
    """Raises RenewalBanned."""
    asked = {"id": instance_id, "address": address}
    if (await connection.execute(_BAN_ON_RENEWAL, asked)).scalar():
        raise RenewalBanned


async def note_launch(connection: AsyncConnection, quota: Quota | None, instance_id: str) -> None:
    if quota is not None:
        row = {
            "instance_id": instance_id,
            "visitor": quota.visitor,
            "address": quota.address,
            "network": quota.network,
            "at": quota.now,
        }
        await connection.execute(insert(launches), row)


async def shift_uses(connection: AsyncConnection, by: timedelta) -> None:
    """Moves the moments of which the limits count an hour. Until when a proof that was used is
    remembered only ever moves ahead: the proof itself says how long it is valid, and is not moved.
    """
    later = max(by, timedelta(0))
    uses = await connection.execute(select(launches.c.instance_id, launches.c.at))
    if moved := [{"of": of, "at": at + by} for of, at in uses]:
        await connection.execute(_MOVE_LAUNCH, moved)
    proofs = await connection.execute(select(spent.c.key, spent.c.at, spent.c.until))
    if moved := [{"of": of, "at": at + by, "until": until + later} for of, at, until in proofs]:
        await connection.execute(_MOVE_PROOF, moved)


async def forget_launches(connection: AsyncConnection, before: datetime) -> None:
    living = select(instances.c.id).where(instances.c.state.in_(LIVE))
    await connection.execute(
        delete(launches).where(launches.c.at < before, launches.c.instance_id.not_in(living))
    )
