"""What the database says, read past the service."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LIVE = frozenset({"queued", "starting", "ready", "stopping"})


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    distribution: str
    owner: str
    state: str
    reason: str | None
    detail: str | None
    pooled: bool
    ready_at: datetime | None
    expires_at: datetime
    ended_at: datetime | None

    @property
    def placed(self) -> bool:
        """It holds a place of the capacity."""
        return self.state in LIVE - {"queued"}


def read_rows(database: Path, *, live: bool = False) -> dict[str, Row]:
    """By id; all, or only what is live. Raises sqlite3.Error while it is locked or not there."""
    query = """SELECT id, distribution, owner, state, reason, detail, pooled, ready_at, expires_at,
        ended_at FROM instances"""
    if live:
        query += " WHERE ended_at IS NULL"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=2)) as connection:
        return {values[0]: _row(*values) for values in connection.execute(query)}


def _row(*values: object) -> Row:
    *plain, ready_at, expires_at, ended_at = values
    moments = (_moment(each) for each in (ready_at, expires_at, ended_at))
    return Row(*plain, *moments)  # type: ignore[arg-type]


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC) if text else None


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write for as long as the block lasts."""
    with closing(sqlite3.connect(database, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
