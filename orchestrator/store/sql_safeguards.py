"""The safeguards' tables on SQLAlchemy Core."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.limits import WINDOW, seconds_until
from ..domain.limits_exceeded import TooManyPatient
from ..domain.safeguards import AdminSession, AuditEntry, Ban, BanKind, Pause, Scope, Token
from .safeguard_tables import admin_sessions, audit, bans, pauses, spent, tokens
from .tables import instances, launches

Write = Callable[[Callable[[AsyncConnection], Awaitable[Any]]], Awaitable[Any]]
Read = Callable[[Select[Any]], Awaitable[Sequence[RowMapping]]]


class SqlSafeguards:
    """`write` runs its argument in one transaction, to its end."""

    def __init__(self, write: Write, read: Read) -> None:
        self._write = write
        self._read = read

    async def spend(
        self, key: str, *, now: datetime, until: datetime, bucket: str = "", most: int = 0
    ) -> bool:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(spent).where(spent.c.until < now))
            if most:
                await _require_bucket(connection, bucket, most, now)
            row = {
                "key": key,
                "bucket": bucket,
                "at": now,
                "until": max(until, now + WINDOW) if most else until,
            }
            await connection.execute(insert(spent), row)

        try:
            await self._write(work)
        except IntegrityError:
            return False
        return True

    async def tokens(self) -> tuple[Token, ...]:
        rows = await self._read(select(tokens).order_by(tokens.c.created_at, tokens.c.id))
        return tuple(Token(**dict(row) | {"scope": Scope(row["scope"])}) for row in rows)

    async def add_token(self, token: Token) -> None:
        await self._write(lambda connection: connection.execute(insert(tokens), asdict(token)))

    async def touch_token(self, token_id: str, now: datetime) -> None:
        used = update(tokens).where(tokens.c.id == token_id).values(last_used_at=now)
        await self._write(lambda connection: connection.execute(used))

    async def revoke_token(self, token_id: str, now: datetime) -> bool:
        valid = tokens.c.id == token_id, tokens.c.revoked_at.is_(None)
        revoked = update(tokens).where(*valid).values(revoked_at=now)
        result = await self._write(lambda connection: connection.execute(revoked))
        return bool(result.rowcount)

    async def bans(self) -> tuple[Ban, ...]:
        rows = await self._read(select(bans).order_by(bans.c.created_at, bans.c.id))
        return tuple(map(_ban_of, rows))

    async def add_ban(self, ban: Ban) -> Ban:
        the_same = select(bans).where(bans.c.kind == ban.kind, bans.c.key == ban.key)

        async def work(connection: AsyncConnection) -> Ban:
            if earlier := (await connection.execute(the_same)).mappings().first():
                return _ban_of(earlier)
            await connection.execute(insert(bans), asdict(ban))
            return ban

        added: Ban = await self._write(work)
        return added

    async def remove_ban(self, ban_id: str) -> bool:
        gone = delete(bans).where(bans.c.id == ban_id)
        result = await self._write(lambda connection: connection.execute(gone))
        return bool(result.rowcount)

    async def paused(self) -> Pause | None:
        rows = await self._read(select(pauses.c.reason, pauses.c.since, pauses.c.by))
        return Pause(**rows[0]) if rows else None

    async def pause(self, pause: Pause | None) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(pauses))
            if pause is not None:
                await connection.execute(insert(pauses), {"id": 1} | asdict(pause))

        await self._write(work)

    async def origin_of(self, instance_id: str) -> tuple[str, str] | None:
        return (await self.origins_of([instance_id])).get(instance_id)

    async def origins_of(self, instance_ids: Collection[str]) -> Mapping[str, tuple[str, str]]:
        query = select(launches.c.instance_id, launches.c.visitor, launches.c.address)
        rows = await self._read(query.where(launches.c.instance_id.in_(instance_ids)))
        return {row["instance_id"]: (row["visitor"], row["address"]) for row in rows}

    async def visitors(self, prefix: str) -> tuple[str, ...]:
        owners = select(instances.c.owner.label("code")).distinct()
        query = owners.where(instances.c.owner.startswith(prefix, autoescape=True)).limit(2)
        return tuple(row["code"] for row in await self._read(query))

    async def launched_from(self, address: str) -> tuple[str, ...]:
        query = select(launches.c.instance_id).where(launches.c.address == address)
        return tuple(row["instance_id"] for row in await self._read(query))

    async def admin_sessions(self) -> tuple[AdminSession, ...]:
        query = select(admin_sessions).order_by(admin_sessions.c.begun_at, admin_sessions.c.digest)
        return tuple(AdminSession(**row) for row in await self._read(query))

    async def add_admin_session(self, session: AdminSession) -> None:
        row = asdict(session)
        await self._write(lambda connection: connection.execute(insert(admin_sessions), row))

    async def end_admin_sessions(self, digests: Collection[str]) -> None:
        ended = delete(admin_sessions).where(admin_sessions.c.digest.in_(digests))
        await self._write(lambda connection: connection.execute(ended))

    async def note(self, entry: AuditEntry) -> None:
        await self._write(lambda connection: connection.execute(insert(audit), asdict(entry)))

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        columns = [audit.c[name] for name in AuditEntry.__dataclass_fields__]
        rows = await self._read(select(*columns).order_by(audit.c.seq.desc()).limit(limit))
        return tuple(AuditEntry(**row) for row in rows)

    async def forget_audit(self, *, before: datetime) -> None:
        old = delete(audit).where(audit.c.at < before)
        await self._write(lambda connection: connection.execute(old))


async def _require_bucket(
    connection: AsyncConnection, bucket: str, most: int, now: datetime
) -> None:
    nth_latest = (
        select(spent.c.at)
        .where(spent.c.bucket == bucket, spent.c.at > now - WINDOW)
        .order_by(spent.c.at.desc())
        .offset(most - 1)
        .limit(1)
    )
    at = (await connection.execute(nth_latest)).scalar()
    if at is not None:
        raise TooManyPatient(most, seconds_until(at + WINDOW, now))


def _ban_of(row: RowMapping) -> Ban:
    return Ban(**dict(row) | {"kind": BanKind(row["kind"])})
