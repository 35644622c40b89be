"""The database behind the store: its connections, its schema, its errors.

On SQLite a writing transaction takes the write lock when it begins (`BEGIN IMMEDIATE`), so that
it cannot fail half-way because another one wrote first; reads take no lock (WAL).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ..domain.errors import StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT = 5  # seconds to wait for another writer


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError, sqlite3.Error) as error:
        raise StoreUnavailable(
            f"The database does not answer ({error.__class__.__name__})."
        ) from error


def create_engine(text: str) -> AsyncEngine:
    url = make_url(text)
    engine = create_async_engine(url, pool_timeout=BUSY_TIMEOUT)
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediately)
    return engine


def try_to_open(url: URL) -> None:
    """Raises sqlite3.OperationalError. Asked before aiosqlite is: where it cannot open a file, its
    thread still talks to the event loop, which may be closed by then."""
    if url.get_backend_name() == "sqlite" and url.database:
        sqlite3.connect(url.database).close()


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # no implicit BEGIN: ours decides when
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    if not connection.get_execution_options().get("distros_read_only"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
