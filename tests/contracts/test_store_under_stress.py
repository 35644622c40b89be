"""An SQLite store that is locked, full or damaged: told within a second, and nothing is lost."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import structlog
from sqlalchemy import event

from orchestrator.domain.models import ALIVE, State
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.store.database import PATIENCE
from orchestrator.store.sql import SqlStore

from .test_store import PLAN, instance

pytestmark = pytest.mark.anyio

SLACK = 0.6  # seconds, on a machine that does other things too


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite+aiosqlite:///{path}", PLAN)
    try:
        await store.prepare()
        yield store
    finally:
        await store.close()


async def filled(path: Path) -> None:
    """With rows on many pages, and closed in order."""
    async with opened(path) as store:
        for number in range(40):
            await store.admit(instance(number), room=100)
            await store.save_log(f"i{number}", f"{number} " * 4000)


def killed(path: Path) -> None:
    """As a process leaves it that was killed: with a journal of its own."""
    with closing(sqlite3.connect(path)) as copied, closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE instances SET detail = 'after'")
        connection.commit()
        journal = path.with_name(path.name + "-wal").read_bytes()
        copied.execute("SELECT 1")
    path.with_name(path.name + "-wal").write_bytes(journal)


# -- locked ------------------------------------------------------------------------------------


async def test_while_another_program_locks_it_every_write_is_refused_within_a_second(
    path: Path,
) -> None:
    async with opened(path) as store:
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")

            async def seconds(number: int) -> float:
                await asyncio.sleep(number % 10 / 10)  # they come in waves
                asked = time.monotonic()
                with pytest.raises(StoreUnavailable, match=r"locked|busy"):
                    await store.admit(instance(number), room=100)
                return time.monotonic() - asked

            waits = await asyncio.gather(*map(seconds, range(60)))
            assert max(waits) < PATIENCE + SLACK
            assert await store.list() == ()  # reading goes on
            other.rollback()
        assert await store.admit(instance(1), room=100) is not None


async def test_reading_goes_on_while_it_is_locked_as_hard_as_can_be(path: Path) -> None:
    async with opened(path) as store:
        await store.admit(instance(1), room=100)
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN EXCLUSIVE")
            async with asyncio.timeout(PATIENCE):
                found = await asyncio.gather(*(store.get("i1") for _ in range(30)))
            assert all(found)


# -- full --------------------------------------------------------------------------------------


async def test_a_full_disk_is_told_loses_nothing_and_is_over_when_there_is_room(
    path: Path,
) -> None:
    async with opened(path) as store:
        await store.admit(instance(1), room=100)
        limit = 60  # pages, for the connections to come

        def bound(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {limit}").close()

        event.listen(store._engine.sync_engine, "connect", bound)
        await store._engine.dispose()
        with pytest.raises(StoreUnavailable, match="The disk of the database is full"):
            await store.save_log("i1", "x" * 10**6)
        assert [one.id for one in await store.list()] == ["i1"]
        assert await store.update("i1", only_in=ALIVE, state=State.READY) is not None
        limit = 10**6
        await store._engine.dispose()
        await store.save_log("i1", "x" * 10**6)
        assert await store.log("i1") == "x" * 10**6


# -- damaged -----------------------------------------------------------------------------------


def overwritten(path: Path) -> None:
    middle = path.stat().st_size // 2
    with path.open("r+b") as file:
        file.seek(middle)
        file.write(os.urandom(16 * 4096))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_in_its_header(path: Path) -> None:
    os.truncate(path, 50)


def another_kind_of_file(path: Path) -> None:
    path.write_bytes(b"<!doctype html>\n" * 1000)


def set_aside(file: Path) -> dict[str, bytes]:
    assert file.name.startswith("store.db.damaged-")
    found = file.parent.glob(f"{file.name}*")
    return {each.name.removeprefix(file.name).strip("-"): each.read_bytes() for each in found}


DAMAGES = [overwritten, truncated, cut_in_its_header, another_kind_of_file]


@pytest.mark.parametrize("crashed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_database_is_set_aside_whole_and_an_empty_one_serves(
    path: Path, damage: Callable[[Path], None], crashed: bool
) -> None:
    await filled(path)
    if crashed:
        killed(path)
    damage(path)
    left = {each.suffix.partition("-")[2]: each.read_bytes() for each in path.parent.iterdir()}
    with structlog.testing.capture_logs() as lines:
        async with opened(path) as store:
            assert await store.list() == ()
            assert await store.admit(instance(1), room=100) is not None
    [told] = [line for line in lines if line["log_level"] == "error"]
    assert "distros restore" in told["hint"]
    kept = set_aside(Path(told["file"]))
    assert kept[""] == left[""]
    assert not crashed or kept["wal"] == left["wal"]


async def test_a_sound_database_is_kept_after_a_clean_end_and_after_an_unclean_one(
    path: Path,
) -> None:
    await filled(path)
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]  # a clean end
    with structlog.testing.capture_logs() as clean:
        async with opened(path) as store:
            assert len(await store.list()) == 40
    assert clean == []
    killed(path)
    with structlog.testing.capture_logs() as unclean:
        async with opened(path) as store:
            assert {one.detail for one in await store.list()} == {"after"}
    assert [(line["event"], line["check"]) for line in unclean] == [
        ("database is sound after an unclean end", "integrity_check")
    ]


async def test_a_file_of_no_length_is_a_new_database(path: Path) -> None:
    await asyncio.to_thread(path.touch)
    async with opened(path) as store:
        assert await store.list() == ()
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]


async def test_a_database_of_a_later_version_is_left_as_it_is(path: Path) -> None:
    await filled(path)
    with closing(sqlite3.connect(path)) as later:
        later.execute("UPDATE alembic_version SET version_num = '9999'")
        later.commit()
    with pytest.raises(StoreUnavailable, match="later version of Distros"):
        async with opened(path):
            pass
    with closing(sqlite3.connect(path)) as later:
        assert later.execute("SELECT count(*) FROM instances").fetchone() == (40,)
