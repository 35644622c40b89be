"""The terminal's pages and connections, over real sockets: who gets in, and what is said."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.asyncio import client as websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from orchestrator.catalog import Catalog
from orchestrator.cli.serving import OPTIONS
from orchestrator.domain.models import Instance
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.domain.safeguards import BanKind
from orchestrator.engine.base import TerminalSize
from orchestrator.engine.fake_terminal import FakeTerminal
from tests.support import ADMIN_TOKEN, SHELL, WIKI, Browser, World, page_of, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

ORIGIN = "http://distros.localhost:8080"
PLAIN = WIKI.model_copy(update={"slug": "plain"})  # a distribution without a terminal


class Server:
    """The service behind a real socket, and the visitors who connect."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self._port = port

    async def launched(self, browser: Browser, slug: str = "wiki") -> Instance:
        answer = await browser.submit("/launch", data={"distribution": slug})
        return await self.world.until(
            page_of(answer).split("/")[-1], lambda now: now.ready_at is not None
        )

    def dial(
        self,
        path: str,
        browser: Browser | None = None,
        *,
        origin: str | None = ORIGIN,
        host: str = "distros.localhost:8080",
        **headers: str,
    ) -> websockets.connect:
        if browser is not None:
            headers["Cookie"] = "; ".join(f"{c.name}={c.value}" for c in browser.cookies.jar)
        return websockets.connect(
            f"ws://{host}{path}",
            host="127.0.0.1",
            port=self._port,
            origin=origin,  # type: ignore[arg-type]
            additional_headers=headers,
            proxy=None,
            compression=None,
        )

    def terminal(
        self, browser: Browser | None, instance: Instance, **how: Any
    ) -> websockets.connect:
        return self.dial(f"/instances/{instance.id}/terminal/socket", browser, **how)

    def shell(self, instance: Instance) -> FakeTerminal:
        name = self.world.engine.name_of(instance.id)
        return self.world.engine.host.containers[name].terminals[-1]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as started:
        yield started


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    async with running(folder, catalog=Catalog([SHELL, PLAIN]), **settings) as world:
        options = OPTIONS | {"lifespan": "off", "port": 0}
        uvicorn_server = uvicorn.Server(uvicorn.Config(world.app, **options))
        task = asyncio.create_task(uvicorn_server.serve())
        while not uvicorn_server.started:
            await asyncio.sleep(0.01)
        yield Server(world, uvicorn_server.servers[0].sockets[0].getsockname()[1])
        uvicorn_server.should_exit = True
        await task


async def status_of(connecting: websockets.connect) -> int:
    """With which the handshake was refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connecting:
            pass
    return int(refused.value.response.status_code)


async def read_until(connection: websockets.ClientConnection, wanted: bytes) -> bytes:
    said = b""
    while wanted not in said:
        message = await connection.recv()
        assert isinstance(message, bytes), message
        said += message
    return said


async def last_words(connection: websockets.ClientConnection) -> dict[str, str]:
    """What is said before it is closed."""
    words: dict[str, str] = {}
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            if isinstance(message, str):
                words = json.loads(message)
    return words


# -- the connection --------------------------------------------------------------------------------


async def test_a_visitor_types_sees_and_resizes(server: Server) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance) as connection:
            await read_until(connection, b"$ ")
            await connection.send('{"rows": 31, "columns": 117}')
            while server.shell(instance).size != TerminalSize(31, 117):
                await asyncio.sleep(0.01)
            await connection.send(b"stty size\r")
            assert b"stty size\r\n31 117\r\n" in await read_until(connection, b"117\r\n")
        while not server.shell(instance).closed:
            await asyncio.sleep(0.01)
        assert server.shell(instance).hung_up


async def test_its_end_is_told_in_the_visitors_language_with_what_to_do_next(
    server: Server,
) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance, **{"Accept-Language": "de"}) as connection:
            await connection.send(b"exit 3\r")
            assert await last_words(connection) == {
                "ended": "exited",
                "again": "ask",
                "sentence": "Die Shell ist beendet.",
                "next": "Sie können eine neue öffnen.",
            }


@pytest.mark.parametrize(
    ("what", "ended", "again"),
    [("delete", "over", "never"), ("ban", "banned", "never"), ("leave", "leaving", "soon")],
)
async def test_what_else_ends_it_is_told_too(
    server: Server, what: str, ended: str, again: str
) -> None:
    world = server.world
    async with world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance) as connection:
            await read_until(connection, b"$ ")
            match what:
                case "delete":
                    await anna.submit(f"/instances/{instance.id}/delete")
                case "ban":
                    await world.services.safety.ban(
                        BanKind.VISITOR, instance.owner, shown="x", reason="x", by="test"
                    )
                case "leave":
                    world.services.stopping.begin()
            words = await last_words(connection)
            assert connection.close_code == 4000
    assert (words["ended"], words["again"]) == (ended, again)
    assert words["sentence"] and words["next"]


async def test_a_renewal_tells_the_page_the_new_end(server: Server) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance) as connection:
            await read_until(connection, b"$ ")
            server.world.clock.advance(minutes=9)
            await anna.submit(f"/instances/{instance.id}/renew")
            renewed = await server.world.services.ledger.find(instance.id)
            assert renewed is not None and renewed.expires_at > instance.expires_at
            told = json.loads(await connection.recv())
    assert told == {"expires_at": renewed.expires_at.isoformat()}


async def test_one_too_many_is_told_and_not_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path, terminals_per_visitor=1) as server, server.world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance) as first:
            await read_until(first, b"$ ")
            async with server.terminal(anna, instance) as second:
                words = await last_words(second)
            assert (words["ended"], words["again"]) == ("too_many_terminals", "ask")
            assert words["sentence"] == "You have as many terminals open as one may."
            await first.send(b"echo hello\r")
            await read_until(first, b"hello\r\n")


async def test_an_engine_that_is_away_is_tried_again_later(server: Server) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        server.world.engine.fail_next("open_terminal", EngineUnavailable("It is away."))
        async with server.terminal(anna, instance) as connection:
            words = await last_words(connection)
    assert (words["ended"], words["again"]) == ("engine_unavailable", "soon")
    assert words["sentence"] == "The server that runs the sites does not answer."


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"x" * (16 * 1024 + 1), 1008),
        (b"x" * (64 * 1024 + 1), 1009),
        ("not JSON", 1008),
        ('{"rows": 0, "columns": 80}', 1008),
        ('{"rows": "24", "columns": 80}', 1008),
        ('{"rows": 24, "columns": 80, "x": 1}', 1008),
        ('{"drawn": -1}', 1008),
        ("[" * 150, 1008),
        ('{"drawn": ' + "1" * 300 + "}", 1008),
    ],
)
async def test_what_cannot_be_understood_closes_it(
    server: Server, message: bytes | str, code: int
) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance) as connection:
            await read_until(connection, b"$ ")
            await connection.send(message)
            await connection.wait_closed()
            assert connection.close_code == code
        shell = server.shell(instance)
        while not shell.closed:
            await asyncio.sleep(0.01)
        assert b"x" * 100 not in shell.typed


async def test_a_page_that_draws_nothing_gets_no_more(server: Server) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        async with server.terminal(anna, instance) as connection:
            shell = server.shell(instance) if await connection.recv() else None
            assert shell is not None
            flood = asyncio.create_task(_flood(shell))
            got = 0
            with contextlib.suppress(TimeoutError):
                while got < 1024**2:
                    async with asyncio.timeout(0.5):
                        got += len(await connection.recv())
            assert 256 * 1024 <= got <= 272 * 1024
            await connection.send(json.dumps({"drawn": got}))
            async with asyncio.timeout(5):
                await connection.recv()
            flood.cancel()


async def _flood(shell: FakeTerminal) -> None:
    while True:
        await shell.say(b"y" * 16 * 1024)


# -- who gets in -----------------------------------------------------------------------------------


async def test_foreign_and_unknown_ids_look_alike(server: Server) -> None:
    async with server.world.client() as anna, server.world.client() as ben:
        instance = await server.launched(anna)
        await ben.get("/")
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        for path in (f"/instances/{instance.id}/terminal", "/instances/abcdefghijkm/terminal"):
            assert (await ben.get(path)).status_code == 404
            assert await status_of(server.dial(f"{path}/socket", ben)) == 404
            assert await status_of(server.dial(f"{path}/socket")) == 404
            assert await status_of(server.dial(f"{path}/socket", None, **bearer)) == 404
        async with server.world.admin() as admin:
            assert (await admin.get(f"/instances/{instance.id}/terminal")).status_code == 404
    assert ("open_terminal", instance.id) not in server.world.engine.calls


@pytest.mark.parametrize(
    "how",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "https://distros.localhost:8080"},
        {"origin": "http://distros.localhost"},
        {"origin": "http://wiki-abcdefghijkm.sandbox.localhost:8080"},
        {"origin": f"{ORIGIN}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_handshake_from_any_other_page_is_refused(
    server: Server, how: dict[str, Any]
) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        assert await status_of(server.terminal(anna, instance, **how)) == 403
    assert ("open_terminal", instance.id) not in server.world.engine.calls


async def test_a_distribution_without_one_has_neither_link_nor_page_nor_connection(
    server: Server,
) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna, PLAIN.slug)
        page = f"/instances/{instance.id}"
        assert "/terminal" not in (await anna.get(page)).text
        leads = await anna.get(f"{page}/terminal")
        assert (leads.status_code, leads.headers["location"]) == (303, page)
        assert await status_of(server.terminal(anna, instance)) == 404


async def test_the_operator_can_offer_none(tmp_path: Path) -> None:
    async with serving(tmp_path, terminals=0) as server, server.world.client() as anna:
        instance = await server.launched(anna)
        assert "/terminal" not in (await anna.get(f"/instances/{instance.id}")).text
        assert await status_of(server.terminal(anna, instance)) == 404


@pytest.mark.parametrize(
    "host", ["abcdefghijkm.sandbox.localhost:8080", "evil.example", "127.0.0.1 "]
)
async def test_other_hosts_have_no_connections(server: Server, host: str) -> None:
    """Those of instances that are not live come here, too."""
    assert await status_of(server.dial("/", None, host="distros.localhost", Host=host)) in (
        400,
        404,
    )


async def test_other_addresses_of_the_site_have_none_either(server: Server) -> None:
    async with server.world.client() as anna:
        await anna.get("/")
        for path in ("/", "/healthz", "/api/v1/instances", "/nowhere"):
            assert await status_of(server.dial(path, anna)) in (403, 404)


@pytest.mark.parametrize(
    "headers",
    [{"X-Long": "x" * 9000}, {f"X-{number}": "x" for number in range(200)}],
    ids=["long", "many"],
)
async def test_a_handshake_with_too_much_in_its_head_is_answered_and_closed(
    server: Server, headers: dict[str, str]
) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        assert await status_of(server.terminal(anna, instance, **headers)) == 431


async def test_a_refusal_is_no_error_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert await status_of(server.dial("/instances/abcdefghijkm/terminal/socket")) == 404
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


# -- pages -----------------------------------------------------------------------------------------


async def test_the_page_is_linked_where_the_owner_looks(server: Server) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        link = f'href="{ORIGIN}/instances/{instance.id}/terminal"'
        for path in (f"/instances/{instance.id}", "/sites"):
            assert link in (await anna.get(path)).text
        page = await anna.get(f"/instances/{instance.id}/terminal")
        assert page.status_code == 200
        assert "The terminal needs JavaScript." in page.text
        assert f'data-terminal="/instances/{instance.id}/terminal/socket"' in page.text
        assert "unsafe" not in page.headers["content-security-policy"]
        document = (await anna.get(f"/api/v1/instances/{instance.id}")).json()
        assert document["links"]["terminal"] == f"{ORIGIN}/instances/{instance.id}/terminal"


async def test_the_page_of_what_is_over_leads_to_what_has_happened(server: Server) -> None:
    async with server.world.client() as anna:
        instance = await server.launched(anna)
        await anna.submit(f"/instances/{instance.id}/delete")
        page = await anna.get(f"/instances/{instance.id}/terminal")
    assert (page.status_code, page.headers["location"]) == (303, f"/instances/{instance.id}")


# -- the admin's -----------------------------------------------------------------------------------


async def sign_in(admin: Browser) -> None:
    answer = await admin.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
    assert answer.status_code == 303


async def test_the_admin_opens_one_in_anybodys_instance_and_the_log_says_so(
    server: Server,
) -> None:
    async with server.world.client() as anna, server.world.client() as admin:
        instance = await server.launched(anna)
        await sign_in(admin)
        table = (await admin.get("/admin/instances")).text
        assert f'href="/admin/terminal?id={instance.id}"' in table
        page = await admin.get(f"/admin/terminal?id={instance.id}")
        assert f'data-terminal="/admin/terminal/socket?id={instance.id}"' in page.text
        path = f"/admin/terminal/socket?id={instance.id}"
        async with server.dial(path, admin, **{"X-Forwarded-For": "203.0.113.7"}) as connection:
            await connection.send(b"echo hello\r")
            await read_until(connection, b"hello\r\n")
        entry = (await server.world.services.safety.audit(1))[0]
    assert (entry.actor, entry.action, entry.target, entry.result, entry.address) == (
        "admin page",
        "open_terminal",
        instance.id,
        "ok",
        "203.0.113.7",
    )


async def test_signing_out_closes_the_admins_terminals_and_nobody_elses(server: Server) -> None:
    async with server.world.client() as anna, server.world.client() as admin:
        instance = await server.launched(anna)
        await sign_in(admin)
        form = (await admin.get("/admin/")).text
        token = form.partition('name="form" value="')[2].partition('"')[0]
        path = f"/admin/terminal/socket?id={instance.id}"
        async with server.terminal(anna, instance) as hers, server.dial(path, admin) as connection:
            await read_until(connection, b"$ ")
            assert (await admin.post("/admin/sign-out", data={"form": token})).status_code == 303
            words = await last_words(connection)
            assert (words["ended"], words["again"]) == ("signed_out", "never")
            await hers.send(b"echo hello\r")
            await read_until(hers, b"hello\r\n")


async def test_a_session_that_a_restored_backup_does_not_have_has_no_terminal(
    server: Server,
) -> None:
    sessions, store = server.world.services.admin_sessions, server.world.services.ledger.store
    async with server.world.client() as anna, server.world.client() as admin:
        instance = await server.launched(anna)
        await sign_in(admin)
        path = f"/admin/terminal/socket?id={instance.id}"
        async with server.dial(path, admin) as connection:
            await read_until(connection, b"$ ")
            known = await store.safeguards.admin_sessions()
            await store.safeguards.end_admin_sessions([each.digest for each in known])
            await sessions.load()
            assert (await last_words(connection))["ended"] == "signed_out"


async def test_nobody_but_the_admins_session_opens_the_admins(server: Server) -> None:
    async with server.world.client() as anna, server.world.client() as admin:
        instance = await server.launched(anna)
        path = f"/admin/terminal/socket?id={instance.id}"
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        assert await status_of(server.dial(path, anna)) == 401
        assert await status_of(server.dial(path, None, **bearer)) == 401
        await sign_in(admin)
        assert await status_of(server.dial(path, admin, origin="http://evil.example")) == 403
        assert await status_of(server.dial("/admin/terminal/socket?id=x", admin)) == 404
        entry = (await server.world.services.safety.audit(1))[0]
        assert (entry.action, entry.target, entry.result) == (
            "open_terminal",
            "x",
            "unknown_instance",
        )
    assert ("open_terminal", instance.id) not in server.world.engine.calls
