"""A backup is made and restored while the service works; nothing that runs is lost."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.errors import InvalidBackup, RequestTooLarge, UnknownInstance
from orchestrator.domain.models import Reason, State
from orchestrator.domain.outages import NotSupported, StoreUnavailable
from orchestrator.domain.safeguards import BanKind, Scope
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import backups

from ..support import ANNA, BEN, World, running, with_pool

pytestmark = pytest.mark.anyio


async def sent(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


async def backup(world: World) -> bytes:
    with await world.services.backups.make() as file:
        body: bytes = file.read()
        return body


async def restore(world: World, body: bytes) -> tuple[int, int]:
    done = await world.services.backups.restore(sent(body))
    return done.carried_over, done.owners_back


def leftovers(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if "copy" in each.name]


async def test_a_backup_is_one_whole_file_of_one_moment_though_launches_go_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        first = await world.launched(ANNA)
        made = asyncio.create_task(backup(world))
        await asyncio.gather(*(world.launched(BEN) for _ in range(5)))
        body = await made
    (tmp_path / "copy.db").write_bytes(body)
    with closing(sqlite3.connect(f"file:{tmp_path}/copy.db?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        ids = {row[0] for row in connection.execute("SELECT id FROM instances")}
    assert first.id in ids
    assert leftovers(tmp_path) == ["copy.db"]


async def test_sites_that_lost_their_owner_with_the_database_get_it_back(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        before = await world.launched(ANNA, name="my-site", request_key="k")
        body = await backup(world)
    (tmp_path / "distros.db").unlink()
    async with running(tmp_path, host=host) as world:
        ledger = world.services.ledger
        async with asyncio.timeout(5):
            while before.id not in ledger.live:
                await asyncio.sleep(0.01)
        with pytest.raises(UnknownInstance):
            await world.services.leases.get(ANNA, before.id)
        assert await restore(world, body) == (1, 1)
        assert await world.services.leases.get(ANNA, before.id) == before
        assert await ledger.store.get(before.id) == before
        assert await world.services.launcher.launch(ANNA, "wiki", name="my-site", request_key="k")
        assert len(host.containers) == 1  # the same launch
        renewed = await world.services.leases.renew(ANNA, before.id)
        assert renewed.expires_at > before.expires_at


async def test_what_was_launched_renewed_or_ended_since_is_as_it_was(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        leases = world.services.leases
        kept, ended = await world.launched(ANNA), await world.launched(ANNA)
        body = await backup(world)
        renewed = await leases.renew(ANNA, kept.id)
        await leases.delete(ANNA, ended.id)
        await world.ended(ended.id)
        later = await world.launched(BEN)
        assert await restore(world, body) == (2, 0)
        assert await leases.get(ANNA, kept.id) == renewed
        assert await leases.get(BEN, later.id) == later
        gone = await world.ended(ended.id)
        assert (gone.state, gone.reason) == (State.GONE, Reason.REMOVED_OUTSIDE)
        assert len(world.engine.host.containers) == 2


async def test_what_was_pooled_then_is_never_handed_out_twice(
    tmp_path: Path, hurried_pool: None
) -> None:
    host, catalog = FakeHost(), with_pool(1, 1)
    async with running(tmp_path, host=host, catalog=catalog) as world:
        pool = world.services.pool
        async with asyncio.timeout(5):
            while not any(one.state is State.READY for one in pool.members()):
                await asyncio.sleep(0.01)
        body = await backup(world)
        claimed = await world.launched(ANNA)
        await restore(world, body)
        assert await world.services.leases.get(ANNA, claimed.id) == claimed
        assert claimed.id not in {one.id for one in pool.members()}
        assert (await world.launched(BEN)).id != claimed.id


async def test_what_protects_the_service_is_not_set_back(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        tokens, safety = world.services.tokens, world.services.safety
        revoked, secret = await tokens.create("CI", Scope.LAUNCH, None, "admin")
        await safety.note("admin", "create token", revoked.id, "201")
        body = await backup(world)

        await tokens.revoke(revoked.id)
        _, later = await tokens.create("later", Scope.READ, None, "admin")
        ban = await safety.ban(BanKind.ADDRESS, "a" * 32, shown="203.0.113.7", reason="-", by="me")
        await safety.pause("Moving.", "admin")
        await safety.note("admin", "pause", "Moving.", "200")
        spend = world.services.ledger.store.safeguards.spend
        now = world.services.ledger.now()
        assert await spend("proof", now=now, until=now + timedelta(minutes=10))
        assert await restore(world, body) == (0, 0)

        assert tokens.caller(secret) is None
        assert tokens.caller(later) is not None
        assert await safety.bans() == (ban,)
        assert safety.paused is not None and safety.paused.reason == "Moving."
        actions = [each.action for each in await safety.audit(10)]
        assert actions == ["pause", "create token"]
        assert not await spend("proof", now=now, until=now + timedelta(minutes=10))


async def test_a_site_that_runs_on_is_still_found_by_its_address(tmp_path: Path) -> None:
    anna = replace(ANNA, address="a" * 32, network="b" * 32)
    async with running(tmp_path) as world:
        body = await backup(world)
        instance = await world.launched(anna)
        await restore(world, body)
        stopped = await world.services.safety.take_down(address="a" * 32, reason="Phishing")
        assert stopped == [instance.id]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"hello" * 1000, "not an SQLite database"),
        (b"SQLite format 3\0" + b"x" * 9000, "damaged|not a database"),
    ],
)
async def test_what_is_no_backup_changes_nothing_and_says_what_is_wrong(
    tmp_path: Path, body: bytes, said: str
) -> None:
    async with running(tmp_path) as world:
        instance = await world.launched(ANNA)
        with pytest.raises(InvalidBackup, match=said):
            await restore(world, body)
        assert await world.services.leases.get(ANNA, instance.id) == instance
        assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE alembic_version", "not one of Distros"),
        ("DROP TABLE logs", "not one of Distros"),
        ("CREATE VIEW more AS SELECT * FROM tokens", "not one of Distros"),
        (
            "CREATE TRIGGER evil AFTER INSERT ON launches BEGIN DELETE FROM bans; END",
            "not one of Distros",
        ),
        ("ALTER TABLE instances DROP COLUMN detail", "not one of Distros"),
        ("UPDATE instances SET state = 'odd'", "not one of Distros"),
        ("UPDATE alembic_version SET version_num = '9999'", "later version"),
    ],
)
async def test_a_database_of_another_shape_is_refused(
    tmp_path: Path, change: str, said: str
) -> None:
    async with running(tmp_path) as world:
        instance = await world.launched(ANNA)
        (tmp_path / "odd.db").write_bytes(await backup(world))
        with closing(sqlite3.connect(tmp_path / "odd.db")) as odd:
            odd.execute(change)
            odd.commit()
        with pytest.raises(InvalidBackup, match=said):
            await restore(world, (tmp_path / "odd.db").read_bytes())
        assert await world.services.leases.get(ANNA, instance.id) == instance


async def test_a_truncated_backup_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.launched(ANNA)
        body = await backup(world)
        with pytest.raises(InvalidBackup, match="damaged"):
            await restore(world, body[: len(body) // 2])


async def test_a_backup_of_an_earlier_schema_and_another_page_size_is_brought_up_to_date(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        instance = await world.launched(ANNA)
        (tmp_path / "early.db").write_bytes(await backup(world))
        with closing(sqlite3.connect(tmp_path / "early.db", isolation_level=None)) as early:
            for table in (
                "launches",
                "spent",
                "tokens",
                "bans",
                "pauses",
                "audit",
                "admin_sessions",
                "days",
            ):
                early.execute(f"DROP TABLE {table}")
            early.execute("DROP INDEX ix_instances_placing")
            for column in ("pooled", "fingerprint", "placing"):
                early.execute(f"ALTER TABLE instances DROP COLUMN {column}")
            early.execute("UPDATE alembic_version SET version_num = '0001'")
            early.execute("PRAGMA page_size = 1024")
            early.execute("VACUUM")
        assert await restore(world, (tmp_path / "early.db").read_bytes()) == (1, 0)
        assert await world.services.leases.get(ANNA, instance.id) == instance
        assert (await world.launched(BEN)).state is State.READY


async def test_a_body_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "LARGEST", 100_000)
    async with running(tmp_path) as world:
        with pytest.raises(RequestTooLarge):
            await restore(world, b"x" * 200_000)
        assert leftovers(tmp_path) == []


async def test_while_another_program_locks_the_database_nothing_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.store.copies._DEADLINE", 0.1)
    async with running(tmp_path) as world:
        instance = await world.launched(ANNA)
        body = await backup(world)
        with closing(sqlite3.connect(tmp_path / "distros.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable):
                await restore(world, body)
            other.rollback()
        assert await world.services.ledger.store.get(instance.id) == instance
        assert await restore(world, body) == (1, 0)


async def test_a_backup_for_which_the_disk_has_no_room_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    async with running(tmp_path) as world:
        monkeypatch.setattr("tempfile.mkdtemp", no_room)
        with pytest.raises(StoreUnavailable, match="The disk of the database is full"):
            await backup(world)


async def test_what_is_restored_counts_though_the_engine_cannot_be_compared(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        body = await backup(world)
        world.engine.fail_next("list", EngineError("The engine refuses to list."))
        assert await restore(world, body) == (0, 0)


async def test_what_a_killed_process_has_left_is_removed_at_the_start(tmp_path: Path) -> None:
    left = tmp_path / ".distros.db-copy-abc"
    left.mkdir()
    (left / "upload.db").write_bytes(b"x")
    async with running(tmp_path):
        assert leftovers(tmp_path) == []


async def test_without_a_file_of_its_own_it_names_the_databases_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as world:
        measured: Any = world.services.ledger.store
        monkeypatch.setattr(measured._of, "_path", None)  # as on PostgreSQL
        for attempt in (backup(world), restore(world, b"x")):
            with pytest.raises(NotSupported) as refused:
                await attempt
            assert "pg_dump" in refused.value.hint
