"""Tokens: what each scope may do, and that wrong ones all look alike."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.domain.naming import container_name
from orchestrator.domain.safeguards import Scope
from orchestrator.service.tokens import PREFIX
from tests.support import World, running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("patient_store")]

V1 = "/api/v1"


async def made(world: World, scope: str, **how: Any) -> tuple[dict[str, Any], httpx.AsyncClient]:
    """The token's document, and a client that uses it."""
    async with world.admin() as admin:
        asked = {"name": "CI", "scope": scope} | how
        answer = await admin.post(f"{V1}/tokens", json=asked)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document, world.client(Authorization=f"Bearer {document['token']}")


async def launch(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(
        f"{V1}/instances", json={"distribution": "wiki"}, headers={"Prefer": "wait=60"}
    )


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_a_launch_token_sees_and_changes_only_what_it_has_launched(world: World) -> None:
    _, mine = await made(world, "launch")
    _, theirs = await made(world, "launch")
    async with mine, theirs, world.client() as anna:
        path = (await launch(mine)).headers["location"]
        annas = (await launch(anna)).headers["location"]
        assert len((await mine.get(f"{V1}/instances")).json()["instances"]) == 1
        for stranger, target in ((theirs, path), (mine, annas), (anna, path)):
            for answer in (
                await stranger.get(target),
                await stranger.get(f"{target}/logs"),
                await stranger.post(f"{target}/renew"),
                await stranger.delete(target),
            ):
                assert outcome(answer) == (404, "unknown_instance")
        assert (await mine.post(f"{path}/renew")).status_code == 200
        assert (await mine.delete(path)).status_code == 204
        for forbidden in ("tokens", "bans", "audit", "pool"):
            assert outcome(await mine.get(f"{V1}/{forbidden}")) == (401, "unauthorized")


async def test_a_read_token_sees_everything_but_passwords_and_changes_nothing(
    world: World,
) -> None:
    _, reader = await made(world, "read")
    async with reader, world.client() as anna:
        document = (await launch(anna)).json()
        path = f"{V1}/instances/{document['id']}"
        assert document["login"]["password"]
        told = {"login": None, "container": container_name("distros", document["id"])}
        assert document["container"] is None
        assert (await reader.get(path)).json() == document | told
        (listed,) = (await reader.get(f"{V1}/instances")).json()["instances"]
        assert listed["login"] is None
        for answer in (
            await launch(reader),
            await reader.delete(path),
            await reader.post(f"{path}/renew"),
        ):
            assert outcome(answer) == (403, "insufficient_scope")


async def test_an_admin_token_may_do_all_and_its_name_is_in_the_record(world: World) -> None:
    document, second = await made(world, "admin")
    async with second:
        assert (await second.get(f"{V1}/tokens")).status_code == 200
        assert (await launch(second)).status_code == 201
        (latest, *_) = (await second.get(f"{V1}/audit")).json()["entries"]
    assert (latest["actor"], latest["action"]) == (
        f"token CI ({document['id']})",
        "launch_instance",
    )


async def test_wrong_expired_revoked_and_foreign_tokens_look_alike(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "elsewhere", secret_key="t" * 32) as elsewhere,
        running(tmp_path) as world,
    ):
        foreign, _ = await made(elsewhere, "admin")
        expired, _ = await made(world, "admin", expires_in=60)
        revoked, _ = await made(world, "admin")
        world.clock.advance(minutes=2)
        async with world.admin() as admin:
            assert (await admin.delete(f"{V1}/tokens/{revoked['id']}")).status_code == 204
            again = await admin.delete(f"{V1}/tokens/{revoked['id']}")
            assert outcome(again) == (404, "unknown_token")
        answers = []
        for token in (
            f"{PREFIX}wrong",
            expired["token"],
            revoked["token"],
            foreign["token"],
            revoked["id"],
            "",
        ):
            async with world.client(Authorization=f"Bearer {token}") as client:
                answer = await client.get(f"{V1}/instances")
                answers.append({**answer.json(), "request_id": ""})
    assert answers == [answers[0]] * 6
    assert answers[0]["code"] == "unauthorized"


async def test_the_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        document, client = await made(world, "launch")
        async with client, world.admin() as admin:
            assert document["token"].startswith(PREFIX) and len(document["token"]) > 50
            await client.get(f"{V1}/instances")
            listed = (await admin.get(f"{V1}/tokens")).text
            record = (await admin.get(f"{V1}/audit")).text
    assert document["token"] not in listed + record
    assert document["token"].encode() not in contents(tmp_path)


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("distros.db*"))


async def test_tokens_and_their_ends_survive_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        kept, _ = await made(world, "launch")
        revoked, _ = await made(world, "launch")
        async with world.admin() as admin:
            await admin.delete(f"{V1}/tokens/{revoked['id']}")
    async with running(tmp_path) as world:
        for document, status in ((kept, 200), (revoked, 401)):
            async with world.client(Authorization=f"Bearer {document['token']}") as client:
                assert (await client.get(f"{V1}/instances")).status_code == status


async def test_the_last_use_is_written_at_most_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as world:
        _, client = await made(world, "launch")
        safeguards = world.services.ledger.store.safeguards
        written: list[str] = []
        touch = safeguards.touch_token

        async def counted(token_id: str, now: Any) -> None:
            written.append(token_id)
            await touch(token_id, now)

        monkeypatch.setattr(safeguards, "touch_token", counted)
        async with client, world.admin() as admin:
            for _ in range(5):
                await client.get(f"{V1}/instances")
            while not written:
                await asyncio.sleep(0)
            (token,) = (await admin.get(f"{V1}/tokens")).json()["tokens"]
            assert token["last_used_at"] and len(written) == 1
            world.clock.advance(seconds=61)
            await client.get(f"{V1}/instances")
            while len(written) < 2:
                await asyncio.sleep(0)


async def test_a_launch_token_has_limits_of_its_own(tmp_path: Path) -> None:
    async with running(
        tmp_path, launches_per_address=1, launches_per_token=2, instances_per_token=5
    ) as world:
        _, mine = await made(world, "launch")
        async with mine:
            statuses = [(await launch(mine)).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31mred", "x" * 101, "\u0085"])
async def test_a_name_that_a_terminal_might_obey_is_refused(world: World, name: str) -> None:
    async with world.admin() as admin:
        answer = await admin.post(f"{V1}/tokens", json={"name": name, "scope": "read"})
    assert outcome(answer) == (422, "invalid_request")


# -- what is open with one -------------------------------------------------------------------------


async def revoke(world: World, token_id: str) -> None:
    async with world.admin() as admin:
        assert (await admin.delete(f"{V1}/tokens/{token_id}")).status_code == 204


async def watching(world: World, client: httpx.AsyncClient, path: str) -> asyncio.Task[Any]:
    """The client's stream of that instance, open."""
    stream = asyncio.create_task(client.get(f"{path}/events"))
    watchers = world.services.ledger._watchers[path.rpartition("/")[2]]
    async with asyncio.timeout(5):
        while not watchers:
            await asyncio.sleep(0)
    return stream


@pytest.mark.parametrize("scope", ["launch", "read", "admin"])
async def test_a_revoked_token_closes_its_streams_and_nobody_elses(
    world: World, scope: str
) -> None:
    document, mine = await made(world, scope)
    async with mine, world.client() as anna:
        annas = (await launch(anna)).headers["location"]
        path = annas if scope == "read" else (await launch(mine)).headers["location"]
        beside = await watching(world, anna, annas)
        stream = await watching(world, mine, path)
        await revoke(world, document["id"])
        async with asyncio.timeout(1):
            answer = await stream
        assert "event: instance" in answer.text and "event: end" not in answer.text
        assert outcome(await mine.get(f"{path}/events")) == (401, "unauthorized")
        assert not beside.done()
        assert (await anna.delete(annas)).status_code == 204
        assert "event: end" in (await beside).text


async def test_a_token_that_expires_closes_its_streams(world: World) -> None:
    soon = world.clock() + timedelta(seconds=0.3)
    _, token = await world.services.tokens.create("CI", Scope.LAUNCH, soon, "admin")
    async with world.client(Authorization=f"Bearer {token}") as mine:
        path = (await launch(mine)).headers["location"]
        stream = await watching(world, mine, path)
        world.clock.advance(seconds=1)
        async with asyncio.timeout(2):
            assert "event: end" not in (await stream).text


async def test_a_launch_that_is_waited_for_is_not_told_to_a_token_revoked_meanwhile(
    world: World,
) -> None:
    document, mine = await made(world, "launch")
    world.engine.start_delay = 60
    async with mine:
        waiting = asyncio.create_task(launch(mine))
        async with asyncio.timeout(5):
            while not world.services.ledger._watchers:
                await asyncio.sleep(0)
        await revoke(world, document["id"])
        async with asyncio.timeout(1):
            assert outcome(await waiting) == (401, "unauthorized")


async def test_a_read_token_gets_no_password_from_a_page_either(world: World) -> None:
    _, reader = await made(world, "read")
    async with reader, world.client() as anna:
        document = (await launch(anna)).json()
        password = document["login"]["password"]
        assert password in (await anna.get(f"/instances/{document['id']}")).text
        for path in ("/", "/sites", f"/instances/{document['id']}"):
            page = await reader.get(path)
            assert page.status_code == 200
            assert password not in page.text
            assert path.endswith(document["id"]) or document["id"] not in page.text
