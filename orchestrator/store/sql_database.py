"""A database as a whole: its connections, the turns of those who write, its backup.

Writers of this process wait for each other in order: SQLite's own waiting is polling, 20 times
slower. Whoever has waited for `database.PATIENCE` is told so.

What has been begun is completed, even where whoever asked for it is cancelled meanwhile; `close`
waits for it.
"""

import asyncio
import functools
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import RowMapping, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.outages import NotSupported
from . import copies
from .base import Restored
from .database import (
    PATIENCE,
    create_engine,
    migrate,
    require_usable,
    sqlite_path,
    translated,
)
from .integrity import set_aside_if_damaged
from .tables import instances

P = ParamSpec("P")
T = TypeVar("T")
Database = TypeVar("Database", bound="SqlDatabase")


def completed(
    method: Callable[Concatenate[Database, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Database, P], Coroutine[Any, Any, T]]:
    """Runs it in a task that a cancellation of the caller does not reach."""

    @functools.wraps(method)
    async def complete(self: Database, /, *args: P.args, **named: P.kwargs) -> T:
        task = asyncio.create_task(method(self, *args, **named))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    return complete


class SqlDatabase:
    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self._path = sqlite_path(self._engine.url)
        self._write_lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()

    @completed
    async def prepare(self) -> None:
        with translated():
            await asyncio.to_thread(require_usable, str(self._engine.url))
            if self._path:
                await asyncio.to_thread(copies.clear_workspaces, self._path)
                await asyncio.to_thread(set_aside_if_damaged, self._path)
        async with self._writing() as connection:
            await connection.run_sync(migrate)

    async def close(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._engine.dispose()

    async def check(self) -> None:
        await self._rows(select(func.count()).select_from(instances).where(instances.c.seq < 0))

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        with ExitStack() as leaving:
            with translated():
                folder = leaving.enter_context(copies.workspace(self._file()))
            yield folder

    @completed
    async def backup(self, target: Path) -> None:
        with translated():
            await asyncio.to_thread(copies.copy, self._file(), target)

    @completed
    async def restore(self, upload: Path, now: datetime) -> Restored:
        with translated():
            await asyncio.to_thread(copies.check_and_migrate, upload)
            async with self._turn():
                return await asyncio.to_thread(copies.put_in_place, upload, self._file(), now)

    def _file(self) -> Path:
        if self._path is None:
            raise NotSupported(
                "This database is not a file of ours.",
                hint="Use `pg_dump` and `pg_restore` on PostgreSQL, with the service stopped for "
                "the latter.",
            )
        return self._path

    @completed
    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._writing() as connection:
            return await work(connection)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        until = time.monotonic() + PATIENCE
        with translated():
            async with self._turn():
                writer = self._engine.execution_options(distros_until=until)
                async with writer.begin() as connection:
                    yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Raises TimeoutError where it does not come in time."""
        async with asyncio.timeout(PATIENCE):
            await self._write_lock.acquire()
        try:
            yield
        finally:
            self._write_lock.release()

    @completed
    async def _rows(
        self, query: Select[Any], values: Mapping[str, object] | None = None
    ) -> Sequence[RowMapping]:
        with translated():
            async with self._engine.connect() as connection:
                result = await connection.execute(query, values)
                return list(result.mappings())
