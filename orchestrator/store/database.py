"""The database behind the store: its connections, its schema, its errors.

On SQLite a writing transaction takes the write lock when it begins (`BEGIN IMMEDIATE`), so that
it cannot fail half-way because another one wrote first; reads take no lock (WAL).

Nobody waits for the database for longer than `PATIENCE`: a write's turn among this process's own
and its wait for another process's lock together. A full disk or a lock from outside is told at
once to whoever asks, and is over when there is room again: nothing is kept in memory meanwhile.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ..domain.outages import StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE = 1.0  # seconds
_SHORTEST_WAIT = 0.1  # seconds; a wait is counted in these, so that it is seldom set anew

_DISK_FULL = "53100"  # PostgreSQL's SQLSTATE
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def translated() -> Iterator[None]:
    """Raises StoreUnavailable with a true sentence for whatever keeps the database from answering;
    an IntegrityError is the caller's."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError, sqlite3.Error) as error:
        raise StoreUnavailable(_complaint(error)) from error


def _complaint(error: Exception) -> str:
    inner = (error.orig if isinstance(error, DBAPIError) else None) or error
    match primary_code(inner):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"The database is locked by another program for more than {PATIENCE:g} s."
        case sqlite3.SQLITE_FULL:
            return "The disk of the database is full; nothing that was stored is lost."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return "The database is damaged."
        case sqlite3.SQLITE_READONLY:
            return "The database cannot be written."
        case sqlite3.SQLITE_IOERR:
            return f"The disk of the database fails ({inner})."
        case sqlite3.SQLITE_CANTOPEN:
            return "The database file cannot be opened."
    if getattr(inner, "sqlstate", None) == _DISK_FULL or getattr(inner, "errno", None) in _NO_ROOM:
        return "The disk of the database is full; nothing that was stored is lost."
    if isinstance(inner, PoolTimeout | TimeoutError):
        return "The database is too busy."
    return f"The database does not answer ({type(inner).__name__})."


def primary_code(error: BaseException | None) -> int | None:
    """SQLite's own, without what it adds to it; None for any other error."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite database; None for any other, and for one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def database_folder(text: str) -> Path | None:
    path = sqlite_path(make_url(text))
    return path.parent if path else None


def create_engine(text: str) -> AsyncEngine:
    url = make_url(text)
    is_sqlite = url.get_backend_name() == "sqlite"
    options = {"timeout": PATIENCE} if is_sqlite else {}
    engine = create_async_engine(url, pool_timeout=PATIENCE / 2, connect_args=options)
    if is_sqlite:
        if path := sqlite_path(url):
            path.parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediately)
    return engine


def require_usable(text: str) -> None:
    """Raises OSError where the file of an SQLite database cannot be written; makes it where there
    is none.

    Asked before aiosqlite is: where it cannot open a file, its thread still talks to the event
    loop, which may be closed by then.
    """
    if path := sqlite_path(make_url(text)):
        path.open("ab").close()
        if not os.access(path.parent, os.W_OK):  # its journal stands beside it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # no implicit BEGIN: ours decides when
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    until: float | None = connection.get_execution_options().get("distros_until")
    if until is None:
        return  # it reads
    steps = max(1, round((until - time.monotonic()) / _SHORTEST_WAIT))
    wait = round(steps * _SHORTEST_WAIT * 1000)  # milliseconds
    if connection.info.get("busy_timeout", PATIENCE * 1000) != wait:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait}")
        connection.info["busy_timeout"] = wait
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(connection: Connection) -> None:
    """Raises StoreUnavailable where the schema is a later version's."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    found = MigrationContext.configure(connection).get_current_revision()
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreUnavailable(
            f"The database was written by a later version of Distros (schema {found[:20]}).",
            hint="Run that version, or set DISTROS_DATABASE_URL to another database.",
        )
    command.upgrade(config, "head")
