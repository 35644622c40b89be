"""The safeguards' tables."""

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from .tables import UtcDateTime, metadata

# One-time things that have been used: a captcha's solution counts once.
spent = Table(
    "spent",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("bucket", String(64), nullable=False),  # what is counted together; "" for nothing
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),  # then it may be forgotten
    Index("ix_spent_until", "until"),
    Index("ix_spent_bucket_at", "bucket", "at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

bans = Table(
    "bans",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("key", String(64), nullable=False),
    Column("shown", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    UniqueConstraint("kind", "key", name="uq_bans_kind_key"),
)

# One row while launches are paused, else none.
pauses = Table(
    "pauses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(200), nullable=False),
    Column("result", String(64), nullable=False),
)
