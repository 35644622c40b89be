"""A site's files as a download: whose, when, how many, and what an unfinished one looks like."""

import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from orchestrator.catalog import Catalog
from orchestrator.domain import take_away
from orchestrator.domain.distribution import TakeAway
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.fake_host import Program
from orchestrator.service.readiness import Answer
from tests.support import WIKI, Browser, World, page_of, running

pytestmark = pytest.mark.anyio

TAKEN = TakeAway(paths=("/srv/pages", "/etc/wiki.conf"))
PACKED = WIKI.model_copy(update={"take_away": TAKEN, "at_home": True})
PLAIN = WIKI.model_copy(update={"slug": "plain"})
COMMAND = ("tar", "-C", "/", "-cf", "-", "--", "srv/pages", "etc/wiki.conf")


def tar(size: int = 5000) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo("srv/pages/start.txt")
        entry.size = size
        archive.addfile(entry, io.BytesIO(b"x" * size))
    return content.getvalue()


def cut(content: bytes) -> list[bytes]:
    """Into pieces that begin and end anywhere."""
    return [content[:100], content[100:700], content[700:]]


@asynccontextmanager
async def packing(
    folder: Path, pieces: Iterable[bytes] | None = None, *, wiki: Any = PACKED, **how: Any
) -> AsyncIterator[World]:
    """A service whose wikis are packed so."""
    program = {key: how.pop(key) for key in ("status", "held") if key in how}
    async with running(folder, catalog=Catalog([wiki, PLAIN]), **how) as world:
        said = cut(tar()) if pieces is None else pieces
        world.engine.host.programs[COMMAND] = Program(said, **program)
        yield world


async def created(world: World, client: Browser, name: str = "", slug: str = "wiki") -> str:
    launched = await client.submit("/launch", data={"distribution": slug, "name": name})
    instance_id = page_of(launched).rpartition("/")[2]
    await world.until(instance_id, lambda now: not now.state.pending)
    return instance_id


@asynccontextmanager
async def over_a_socket(world: World, browser: Browser) -> AsyncIterator[httpx.AsyncClient]:
    """The same visitor, with a server between: what breaks off does so as it would for people."""
    config = uvicorn.Config(world.app, port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with config.bind_socket() as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        headers = {"Host": "distros.localhost:8080", "Accept-Encoding": "identity"}
        async with httpx.AsyncClient(
            base_url=url, headers=headers, cookies=dict(browser.cookies), trust_env=False
        ) as client:
            yield client
        server.should_exit = True
        await serving


async def read(answer: httpx.Response, received: bytearray) -> None:
    async for piece in answer.aiter_raw():
        received += piece


async def test_the_archive_has_what_was_packed_and_a_readme(tmp_path: Path) -> None:
    async with packing(tmp_path) as world, world.client() as anna:
        instance_id = await created(world, anna, "Team Notes")
        answer = await anna.get(f"/instances/{instance_id}/take-away")
        instance = await world.services.ledger.find(instance_id)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["cache-control"] == "no-store"
    today = f"{world.services.ledger.now():%Y-%m-%d}"
    name = f"team-notes-{today}.tar.gz"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        assert archive.getnames() == [take_away.README, "srv/pages/start.txt"]
        readme = archive.extractfile(take_away.README).read().decode()  # type: ignore[union-attr]
        assert archive.extractfile("srv/pages/start.txt").read() == b"x" * 5000  # type: ignore[union-attr]
    assert instance is not None
    for said in (
        f"team-notes: Wiki 1\nTaken from http://team-notes-{instance_id}.sandbox.localhost:8080/",
        "    srv/pages\n    etc/wiki.conf\n",
        "    docker run --rm --name wiki --publish 8080:8080",
        "Sign in as admin. The password is " + str(instance.password),
    ):
        assert said in readme


async def test_the_readme_says_how_to_put_back_what_can_be_written_at_home(tmp_path: Path) -> None:
    wiki = PACKED.model_copy(update={"tmpfs": {"/srv/pages": 1024**2}})
    async with packing(tmp_path, wiki=wiki) as world, world.client() as anna:
        instance_id = await created(world, anna)
        answer = await anna.get(f"/instances/{instance_id}/take-away")
        today = f"{world.services.ledger.now():%Y-%m-%d}"
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        readme = archive.extractfile(take_away.README).read().decode()  # type: ignore[union-attr]
    assert (
        "    docker exec -i wiki tar -C / --no-overwrite-dir -xzf - -- srv/pages "
        f"< wiki-{today}.tar.gz\n" in readme
    )


@pytest.mark.parametrize("way", ["/instances/{}/take-away", "/api/v1/instances/{}/take-away"])
async def test_for_others_and_the_admin_it_is_a_site_that_is_not_there(
    tmp_path: Path, way: str
) -> None:
    async with packing(tmp_path) as world, world.client() as anna, world.client() as ben:
        instance_id = await created(world, anna)
        await created(world, ben)
        for stranger in (ben, world.client(), world.admin()):
            answer = await stranger.get(way.format(instance_id))
            nobodys = await stranger.get(way.format("abcdefghijkm"))
            assert (answer.status_code, nobodys.status_code) == (404, 404)
            assert "no such site" in answer.text or '"unknown_instance"' in answer.text
        assert ("output", instance_id) not in world.engine.calls


async def test_only_a_ready_site_of_a_distribution_that_wants_it_can_be_taken(
    tmp_path: Path,
) -> None:
    async with packing(tmp_path) as world, world.client() as anna:
        other = await created(world, anna, slug="plain")
        gone = await created(world, anna)
        assert f'href="/instances/{gone}/take-away"' in (await anna.get("/sites")).text
        assert f"/instances/{other}/take-away" not in (await anna.get("/sites")).text
        await anna.submit(f"/instances/{gone}/delete")
        world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
        launched = await anna.submit("/launch", data={"distribution": "wiki"})
        starting = page_of(launched).rpartition("/")[2]
        for instance_id in (other, gone, starting):
            answer = await anna.get(f"/instances/{instance_id}/take-away")
            assert answer.status_code == 409
            assert "This site cannot be downloaded." in answer.text
        assert "output" not in {call for call, _ in world.engine.calls}


async def test_a_setting_turns_it_off(tmp_path: Path) -> None:
    async with packing(tmp_path, take_aways=0) as world, world.client() as anna:
        instance_id = await created(world, anna)
        assert "take-away" not in (await anna.get(f"/instances/{instance_id}")).text
        assert (await anna.get(f"/instances/{instance_id}/take-away")).status_code == 409


async def test_another_sites_page_cannot_start_it(tmp_path: Path) -> None:
    async with packing(tmp_path) as world, world.client() as anna:
        path = f"/instances/{await created(world, anna)}/take-away"
        for site in ("cross-site", "same-site"):
            assert (await anna.get(path, headers={"Sec-Fetch-Site": site})).status_code == 403
        assert (await anna.get(path, headers={"Sec-Fetch-Site": "none"})).status_code == 200


async def test_asking_for_its_headers_packs_nothing(tmp_path: Path) -> None:
    async with packing(tmp_path) as world, world.client() as anna:
        instance_id = await created(world, anna)
        answer = await anna.head(f"/instances/{instance_id}/take-away")
        assert answer.headers["content-type"] == "application/gzip"
        assert ("output", instance_id) not in world.engine.calls


async def test_one_visitor_has_one_at_a_time_and_all_have_a_few(tmp_path: Path) -> None:
    held = asyncio.Event()
    async with (
        packing(tmp_path, [tar()[:700], tar()[700:]], held=held, take_aways=1) as world,
        world.client() as anna,
        world.client() as ben,
    ):
        path = f"/instances/{await created(world, anna)}/take-away"
        second = f"/instances/{await created(world, anna)}/take-away"
        bens = f"/instances/{await created(world, ben)}/take-away"
        first = asyncio.create_task(anna.get(path))
        while not world.services.take_aways.under_way:
            await asyncio.sleep(0)
        refused, busy = await anna.get(second), await ben.get(bens)
        assert (refused.status_code, busy.status_code) == (429, 503)
        assert "A download of yours is under way already." in refused.text
        assert "Many sites are being downloaded right now." in busy.text
        assert busy.headers["retry-after"] == "60"
        held.set()
        assert (await first).status_code == 200
        assert (await anna.get(second)).status_code == 200


async def test_one_address_leaves_places_for_others(tmp_path: Path) -> None:
    held = asyncio.Event()
    async with AsyncExitStack() as entered:
        packed = packing(tmp_path, [tar()[:700], tar()[700:]], held=held, take_aways=2)
        world = await entered.enter_async_context(packed)

        async def visitor(address: str) -> tuple[Browser, str]:
            client = world.client(**{"X-Forwarded-For": address})
            await entered.enter_async_context(client)
            return client, f"/instances/{await created(world, client)}/take-away"

        anna, annas = await visitor("203.0.113.1")
        ben, bens = await visitor("203.0.113.1")
        cleo, cleos = await visitor("203.0.113.2")
        under_way = [asyncio.create_task(anna.get(annas))]
        while world.services.take_aways.under_way < 1:
            await asyncio.sleep(0)
        assert (await ben.get(bens)).status_code == 503
        under_way.append(asyncio.create_task(cleo.get(cleos)))
        while world.services.take_aways.under_way < 2:
            await asyncio.sleep(0)
        held.set()
        assert [(await each).status_code for each in under_way] == [200, 200]


async def test_one_that_was_left_is_stopped_and_makes_room(tmp_path: Path) -> None:
    held = asyncio.Event()
    async with (
        packing(tmp_path, [tar()[:700], tar()[700:]], held=held) as world,
        world.client() as anna,
    ):
        path = f"/instances/{await created(world, anna)}/take-away"
        async with over_a_socket(world, anna) as socket:
            async with socket.stream("GET", path) as answer:
                assert answer.status_code == 200 and world.services.take_aways.under_way == 1
            async with asyncio.timeout(5):
                while world.services.take_aways.under_way:
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "how",
    [
        {"pieces": [tar()[:700]], "status": 2},  # tar has failed
        {"take_away_size": 3000},
        {"take_away_deadline": "1s", "pieces": [tar()[:700]], "held": asyncio.Event()},
    ],
    ids=["failed", "too large", "too slow"],
)
async def test_what_is_not_whole_does_not_look_whole(tmp_path: Path, how: dict[str, Any]) -> None:
    received = bytearray()
    async with packing(tmp_path, how.pop("pieces", None), **how) as world, world.client() as anna:
        path = f"/instances/{await created(world, anna)}/take-away"
        async with (
            over_a_socket(world, anna) as socket,
            socket.stream("GET", path) as answer,
        ):
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
                await read(answer, received)
        assert world.services.take_aways.under_way == 0
    with pytest.raises(EOFError):
        gzip.decompress(received)


async def test_what_does_not_begin_in_time_is_an_error_page_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.service.take_away.BEGINNING", 0.05)
    async with (
        packing(tmp_path, [tar()[:100]], held=asyncio.Event()) as world,
        world.client() as anna,
    ):
        answer = await anna.get(f"/instances/{await created(world, anna)}/take-away")
        assert answer.status_code == 502
        assert world.services.take_aways.under_way == 0


@pytest.mark.parametrize(
    ("pieces", "status"),
    [([], 127), ([b"OCI runtime exec failed: no such file\r\n"], 126), ([bytes(1024)], 0)],
)
async def test_what_never_becomes_an_archive_is_an_error_page(
    tmp_path: Path, pieces: list[bytes], status: int
) -> None:
    async with packing(tmp_path, pieces, status=status) as world, world.client() as anna:
        answer = await anna.get(f"/instances/{await created(world, anna)}/take-away")
        assert answer.status_code == 502
        assert "OCI" not in answer.text and "could not be packed" in answer.text
        api = await anna.get(f"/api/v1{answer.request.url.path}")
        assert (api.status_code, api.json()["code"]) == (502, "packing_failed")
        assert "OCI" not in api.text
        assert world.services.take_aways.under_way == 0


async def test_files_that_changed_meanwhile_are_no_failure(tmp_path: Path) -> None:
    """tar ends with 1 then; the archive is whole."""
    async with packing(tmp_path, status=1) as world, world.client() as anna:
        answer = await anna.get(f"/instances/{await created(world, anna)}/take-away")
        assert len(gzip.decompress(answer.content)) > 5000


async def test_an_engine_that_is_away_is_said(tmp_path: Path) -> None:
    async with packing(tmp_path) as world, world.client() as anna:
        path = f"/instances/{await created(world, anna)}/take-away"
        world.engine.fail_next("output", EngineUnavailable("It does not answer."))
        assert (await anna.get(path)).status_code == 503
        assert (await anna.get(path)).status_code == 200


async def test_it_ends_when_the_service_is_to_leave(tmp_path: Path) -> None:
    held = asyncio.Event()
    async with (
        packing(tmp_path, [tar()[:700], tar()[700:]], held=held) as world,
        world.client() as anna,
    ):
        path = f"/instances/{await created(world, anna)}/take-away"
        async with (
            over_a_socket(world, anna) as socket,
            socket.stream("GET", path) as answer,
        ):
            world.services.stopping.begin()
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.aread()
