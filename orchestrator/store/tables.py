"""The tables. The migrations make them; a test compares the two."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC in the database: the same on SQLite and PostgreSQL."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Seconds(TypeDecorator[timedelta]):
    impl = Float
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> float | None:
        return None if value is None else value.total_seconds()

    def process_result_value(self, value: float | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(seconds=value)


class Address(TypeDecorator[IPv4Address]):
    impl = String(15)
    cache_ok = True

    def process_bind_param(self, value: IPv4Address | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> IPv4Address | None:
        return None if value is None else IPv4Address(value)


metadata = MetaData()

instances = Table(
    "instances",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # order of admission
    Column("id", String(32), nullable=False, unique=True),
    Column("distribution", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("request_key", String(128)),  # Idempotency-Key, within one owner
    Column("name", String(64)),
    Column("state", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("reason", String(32)),
    Column("detail", Text),
    Column("password", String(64)),
    Column("address", Address, nullable=False),
    Column("lifetime", Seconds, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("timings", JSON, nullable=False),
    Column("pooled", Boolean, nullable=False, server_default=false()),
    Column("fingerprint", String(32)),  # of what a pooled one was started from
    Column("placing", Integer),  # order in which places, and addresses, were given
    UniqueConstraint("owner", "request_key", name="uq_instances_owner_request_key"),
    Index("ix_instances_state_expires_at", "state", "expires_at"),
    Index("ix_instances_owner", "owner"),
    Index("ix_instances_placing", "placing"),
)

logs = Table(
    "logs",
    metadata,
    Column(
        "instance_id",
        String(32),
        ForeignKey("instances.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("text", Text, nullable=False),
)

# Who launched what in the last hour, and what lives of it: for the limits. Addresses only as keyed
# hashes; a row is deleted once it counts for nothing any more.
launches = Table(
    "launches",
    metadata,
    Column("instance_id", String(32), primary_key=True),
    Column("visitor", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("network", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_launches_visitor_at", "visitor", "at"),
    Index("ix_launches_address_at", "address", "at"),
    Index("ix_launches_network_at", "network", "at"),
)

# What is left of instances that were forgotten: how many, by UTC day. See store/history.py.
days = Table(
    "days",
    metadata,
    Column("day", String(10), primary_key=True),  # 2026-11-25
    Column("distribution", String(64), primary_key=True),
    Column("what", String(16), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("n", Integer, nullable=False),
)
