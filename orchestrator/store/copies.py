"""Copies of a whole SQLite database: made while it is written, checked, and put in its place.

Both ways go through SQLite's backup API in one step: a copy is of one moment, and a restoration is
one transaction, which a crash undoes. All of it blocks; the store runs it in threads.

What protects the service is not set back with the rest: bans, a pause, revoked tokens, what was
launched, and the record of admins' actions are those of the backup and those of now together. A
token, ban or pause that the backup has and nobody has now is in force again.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    Connection,
    RowMapping,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..domain.errors import InvalidBackup
from ..domain.models import LIVE, Instance
from ..domain.outages import StoreUnavailable
from ..domain.restoring import carried_over, left_behind
from .base import Restored
from .database import PATIENCE, migrate, primary_code
from .integrity import damage_of
from .rows import COLUMNS, instance_of, values_of
from .safeguard_tables import admin_sessions, audit, bans, pauses, spent, tokens
from .tables import instances, launches, metadata

_DEADLINE: Final = 60.0  # seconds for one copy, while another program may lock the database
_HEADER: Final = b"SQLite format 3\0"
_ALIEN: Final = "It is an SQLite database, but not one of Distros."
_ALL: Final = select(*COLUMNS).order_by(instances.c.seq)
_KEYS: Final = select(instances.c.id, instances.c.request_key)
_SAFEGUARDS: Final = (launches, spent, tokens, bans, pauses, audit)
_PROGRAMS: Final = text("SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')")

Safeguards = Mapping[Table, Sequence[RowMapping]]


@dataclass(frozen=True, slots=True)
class _Row:
    instance: Instance
    request_key: str | None


@contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """A folder for copies, on the database's own disk; nobody else may look into it."""
    with tempfile.TemporaryDirectory(prefix=_prefix(path), dir=path.parent) as folder:
        yield Path(folder)


def clear_workspaces(path: Path) -> None:
    """Those that a killed process has left."""
    for folder in path.parent.glob(f"{_prefix(path)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(path: Path) -> str:
    return f".{path.name}-copy-"


def copy(path: Path, target: Path) -> None:
    """A copy that is one file: it needs no `-wal` beside it. Raises sqlite3.Error, OSError."""
    target.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as made:
        _copy_pages(source, made)
        made.execute("PRAGMA journal_mode = DELETE")


def _copy_pages(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Raises TimeoutError: by itself Python would try a locked database for ever."""
    target.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
    until = time.monotonic() + _DEADLINE

    def look_at_the_clock(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > until:
            raise TimeoutError

    source.backup(target, progress=look_at_the_clock)


def check_and_migrate(upload: Path) -> None:
    """Makes the upload what the service of today writes. Raises InvalidBackup."""
    with upload.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            raise InvalidBackup("It is not an SQLite database.")
    if damage := damage_of(upload):
        raise InvalidBackup(f"It is damaged: {damage}.")
    try:
        with _opened(upload) as connection:
            if MigrationContext.configure(connection).get_current_revision() is None:
                raise InvalidBackup(_ALIEN)
            if connection.scalar(_PROGRAMS):  # would run with every statement of ours
                raise InvalidBackup(_ALIEN)
            migrate(connection)
            if compare_metadata(MigrationContext.configure(connection), metadata):
                raise InvalidBackup(_ALIEN)
            _rows(connection)
    except StoreUnavailable as error:  # a later version's
        raise InvalidBackup(error.message, hint="Restore it with that version.") from error
    except (SQLAlchemyError, ValueError) as error:
        if isinstance(error, DBAPIError) and primary_code(error.orig) == sqlite3.SQLITE_FULL:
            raise
        raise InvalidBackup(f"{_ALIEN} ({type(error).__name__})") from error


def put_in_place(upload: Path, path: Path, now: datetime) -> Restored:
    """Carries over what lives now, then replaces the database's contents in one transaction.

    Nobody may write to the database meanwhile. Raises sqlite3.Error, OSError; then the database is
    as it was.
    """
    with _opened(path) as connection:
        alive = [row for row in _rows(connection) if row.instance.state in LIVE]
        safeguards = {
            table: connection.execute(select(table)).mappings().all() for table in _SAFEGUARDS
        }
    with _opened(upload) as connection:
        restored = _merge(connection, alive, now)
        _keep(connection, safeguards)
        connection.execute(delete(admin_sessions))  # who has signed out since stays signed out
    with closing(sqlite3.connect(upload)) as source, closing(sqlite3.connect(path)) as live:
        _match_page_size(source, live)
        _copy_pages(source, live)
    return restored


def _merge(connection: Connection, alive: Sequence[_Row], now: datetime) -> Restored:
    in_backup = {row.instance.id: row for row in _rows(connection)}
    alive_ids = {row.instance.id for row in alive}
    for row in in_backup.values():
        if row.instance.state in LIVE and row.instance.id not in alive_ids:
            _write(connection, left_behind(row.instance, now), row.request_key, known=True)
    keys = {(row.instance.owner, row.request_key): row.instance.id for row in in_backup.values()}
    owners_back = 0
    for row in alive:
        known = in_backup.get(row.instance.id)
        after = carried_over(row.instance, known.instance if known else None, now)
        owners_back += after.owner != row.instance.owner
        key = known.request_key if known and after.owner != row.instance.owner else row.request_key
        if keys.get((after.owner, key), after.id) != after.id:
            key = None  # it is another launch's in the backup
        _write(connection, after, key, known=known is not None)
    return Restored(
        instances=len(in_backup.keys() | alive_ids),
        carried_over=len(alive),
        owners_back=owners_back,
    )


def _keep(connection: Connection, safeguards: Safeguards) -> None:
    """Adds what the backup does not have."""
    recorded = connection.scalar(select(func.max(audit.c.at)))
    for table, rows in safeguards.items():
        for row in rows:
            values = dict(row)
            if table is audit:
                if recorded is not None and row["at"] <= recorded:
                    continue
                del values["seq"]  # of another count, where the database was a new one
            connection.execute(insert(table).prefix_with("OR IGNORE"), values)
            if table is tokens and row["revoked_at"] is not None:
                revoked = update(tokens).values(revoked_at=row["revoked_at"])
                connection.execute(revoked.where(tokens.c.id == row["id"]))


def _write(connection: Connection, instance: Instance, key: str | None, *, known: bool) -> None:
    values = values_of(instance) | {"request_key": key}
    if known:
        connection.execute(update(instances).where(instances.c.id == instance.id).values(values))
    else:
        connection.execute(insert(instances).values(values))


def _rows(connection: Connection) -> list[_Row]:
    """All of them, oldest first. Raises ValueError where one cannot be understood."""
    keys = {row.id: row.request_key for row in connection.execute(_KEYS)}
    found = connection.execute(_ALL).mappings()
    return [_Row(instance_of(row), keys[row["id"]]) for row in found]


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    """In one transaction."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def _match_page_size(source: sqlite3.Connection, live: sqlite3.Connection) -> None:
    """A database in WAL mode takes only pages of its own size."""
    source.isolation_level = None
    source.execute("PRAGMA journal_mode = DELETE")
    [wanted] = live.execute("PRAGMA page_size").fetchone()
    if source.execute("PRAGMA page_size").fetchone() != (wanted,):
        source.execute(f"PRAGMA page_size = {wanted}")
        source.execute("VACUUM")
