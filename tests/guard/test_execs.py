"""What may be executed in an instance: the terminal that its distribution offers, and its end."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalog import Catalog
from orchestrator.engine.execs import Execs
from orchestrator.engine.terminal import exec_document, hang_up_document
from orchestrator.guard import execs
from orchestrator.guard.creation import Policy
from orchestrator.guard.execs import START, START_DETACHED
from orchestrator.guard.handover import Protocol
from orchestrator.guard.refusals import Refused
from orchestrator.guard.service import Guard
from orchestrator.guard.upstream import Upstream

from ..support import WIKI
from .conftest import FOREIGN, OWN, ROUTING, STACK, Engine
from .test_streams import served

pytestmark = pytest.mark.anyio

SHELL = WIKI.model_copy(update={"slug": "shell", "terminal": ("/bin/bash", "-l")})
MARK = "0123456789abcdef" * 2
OPENING, ENDING = exec_document(SHELL.terminal, MARK), hang_up_document(MARK)
SILENT = "5" * 64  # a container of this stack, of a distribution without a terminal
EXEC = "e" * 64

Change = Callable[[dict[str, Any]], Any]


def top(**changes: Any) -> Change:
    return lambda document: document.update(changes)


REFUSED: dict[str, Change] = {
    "privileged": top(Privileged=True),
    "not privileged, but the key": top(Privileged=False),
    "another user": top(User="0:0"),
    "no user, but the key": top(User=""),
    "another command": top(Cmd=["/bin/sh"]),
    "more of the command": top(Cmd=["/bin/bash", "-l", "-c", "id"]),
    "less of the command": top(Cmd=["/bin/bash"]),
    "the command as a line": top(Cmd="/bin/bash -l"),
    "no command": lambda document: document.pop("Cmd"),
    "another environment": top(Env=["LD_PRELOAD=/tmp/x.so", f"DISTROS_TERMINAL={MARK}"]),
    "more environment": top(Env=[*OPENING["Env"], "PATH=/tmp"]),
    "a mark that is none": top(Env=["TERM=xterm-256color", "DISTROS_TERMINAL=$(id)"]),
    "an uppercase mark": top(Env=["TERM=xterm-256color", f"DISTROS_TERMINAL={MARK.upper()}"]),
    "no terminal": top(Tty=False),
    "a folder": top(WorkingDir="/"),
    "other keys to leave": top(DetachKeys=""),
    "a size": top(ConsoleSize=[24, 80]),
    "another case": top(privileged=True),
    "the container again": top(Container=FOREIGN),
}
ENDINGS_REFUSED: dict[str, Change] = {
    "another script": top(Cmd=["/bin/sh", "-c", "kill -9 1", "hang-up", MARK]),
    "a second word": top(Cmd=[*ENDING["Cmd"], MARK]),
    "a mark with a star": top(Cmd=[*ENDING["Cmd"][:-1], "*"]),
    "as root": top(User="0"),
    "privileged": top(Privileged=True),
}


class Machine(Engine):
    """Its instance offers a shell."""

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        own = {"distros.managed": "true", "distros.stack": STACK}
        for container, slug in ((OWN, "shell"), (SILENT, "wiki")):
            if path == f"/containers/{container}/json":
                labels = own | {"distros.distribution": slug}
                return httpx.Response(200, json={"Id": container, "Config": {"Labels": labels}})
        if path.endswith("/exec"):
            return httpx.Response(201, json={"Id": EXEC})
        return super()._answer(request)


POLICY = Policy(ROUTING, Catalog([WIKI, SHELL]))


@pytest.fixture
def engine() -> Machine:
    return Machine()


@pytest.fixture
def guard(engine: Machine) -> Guard:
    return Guard(POLICY, Upstream(httpx.MockTransport(engine.answer)))


def sent(engine: Engine) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(engine.asked[-1].content)
    return document


# -- create ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [OPENING, ENDING])
async def test_a_terminal_and_its_end_pass_as_they_were_understood(
    guarded: httpx.AsyncClient, engine: Machine, document: dict[str, Any]
) -> None:
    answer = await guarded.post(f"/containers/{OWN}/exec", json=document)
    assert (answer.status_code, answer.json()) == (201, {"Id": EXEC})
    assert engine.calls[-1] == f"POST /containers/{OWN}/exec"
    assert sent(engine) == document


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
async def test_nothing_but_the_terminal_of_the_catalogue_is_executed(
    guarded: httpx.AsyncClient, engine: Machine, change: Change
) -> None:
    document = copy.deepcopy(OPENING)
    change(document)
    answer = await guarded.post(f"/containers/{OWN}/exec", json=document)
    assert (answer.status_code, engine.calls) == (403, [f"GET /containers/{OWN}/json"])


@pytest.mark.parametrize("change", ENDINGS_REFUSED.values(), ids=ENDINGS_REFUSED)
async def test_an_end_is_the_one_that_we_know(
    guarded: httpx.AsyncClient, engine: Machine, change: Change
) -> None:
    document = copy.deepcopy(ENDING)
    change(document)
    answer = await guarded.post(f"/containers/{OWN}/exec", json=document)
    assert (answer.status_code, engine.calls) == (403, [f"GET /containers/{OWN}/json"])


@pytest.mark.parametrize("document", [OPENING, ENDING])
@pytest.mark.parametrize("container", [FOREIGN, "portainer", SILENT])
async def test_nothing_is_executed_elsewhere(
    guarded: httpx.AsyncClient, engine: Machine, container: str, document: dict[str, Any]
) -> None:
    answer = await guarded.post(f"/containers/{container}/exec", json=document)
    assert (answer.status_code, engine.calls) == (403, [f"GET /containers/{container}/json"])


async def test_what_was_created_here_is_known_without_a_look(
    guarded: httpx.AsyncClient, engine: Machine
) -> None:
    for _ in range(2):
        await guarded.post(f"/containers/{OWN}/exec", json=OPENING)
    assert engine.calls == [
        f"GET /containers/{OWN}/json",
        *[f"POST /containers/{OWN}/exec"] * 2,
    ]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_what_is_no_document_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        execs.admitted(body, SHELL)


@given(st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.text(), min_size=1))
def test_no_other_key_passes(keys: dict[str, Any]) -> None:
    document = OPENING | {f"x{key}": value for key, value in keys.items()}
    with pytest.raises(Refused):
        execs.admitted(json.dumps(document).encode(), SHELL)


def test_a_key_that_occurs_twice_is_refused() -> None:
    body = json.dumps(OPENING).replace('"Tty"', '"Tty": false, "Tty"')
    with pytest.raises(Refused, match="twice"):
        execs.admitted(body.encode(), SHELL)


# -- an exec ---------------------------------------------------------------------------------------

CALLS = [
    ("POST", f"/exec/{EXEC}/start"),
    ("POST", f"/exec/{EXEC}/resize?h=24&w=80"),
    ("GET", f"/exec/{EXEC}/json"),
]


@pytest.mark.parametrize(("method", "call"), CALLS)
async def test_an_exec_of_somebody_else_is_not_touched(
    guarded: httpx.AsyncClient, engine: Machine, method: str, call: str
) -> None:
    """As it would be, of a shell that an admin has opened in the orchestrator's container."""
    answer = await guarded.request(method, call, json=START if "start" in call else None)
    assert (answer.status_code, engine.asked) == (403, [])


@pytest.mark.parametrize(("method", "call"), CALLS[1:])
async def test_one_that_was_created_here_is_resized_and_looked_at(
    guarded: httpx.AsyncClient, engine: Machine, method: str, call: str
) -> None:
    await guarded.post(f"/containers/{OWN}/exec", json=OPENING)
    assert (await guarded.request(method, call)).status_code == 200
    assert engine.calls[-1] == f"{method} {call}"


@pytest.mark.parametrize(
    "query", ["h=0&w=80", "h=24&w=-1", "h=24&w=99999", "h=24&w=80&x=1", "h=24&w=80&w=81", "h=a&w=b"]
)
async def test_a_size_is_one(guarded: httpx.AsyncClient, engine: Machine, query: str) -> None:
    await guarded.post(f"/containers/{OWN}/exec", json=OPENING)
    asked = len(engine.asked)
    answer = await guarded.post(f"/exec/{EXEC}/resize?{query}")
    assert (answer.status_code, len(engine.asked)) == (403, asked)


@pytest.mark.parametrize(
    ("document", "start"),
    [
        (OPENING, START_DETACHED),
        (ENDING, START),
        (OPENING, START | {"ConsoleSize": [1, 1]}),
        (OPENING, {"Detach": False}),
        (OPENING, {}),
    ],
)
async def test_it_is_started_in_one_way_only(
    guarded: httpx.AsyncClient,
    engine: Machine,
    document: dict[str, Any],
    start: dict[str, Any],
) -> None:
    """Detached, a shell would stay that nobody sees."""
    await guarded.post(f"/containers/{OWN}/exec", json=document)
    asked = len(engine.asked)
    answer = await guarded.post(f"/exec/{EXEC}/start", json=start)
    assert (answer.status_code, len(engine.asked)) == (403, asked)


async def test_an_end_is_started_detached(guarded: httpx.AsyncClient, engine: Machine) -> None:
    await guarded.post(f"/containers/{OWN}/exec", json=ENDING)
    assert (await guarded.post(f"/exec/{EXEC}/start", json=START_DETACHED)).status_code == 200
    assert sent(engine) == START_DETACHED


async def test_the_engines_refusal_to_start_comes_back(
    guarded: httpx.AsyncClient, engine: Machine
) -> None:
    await guarded.post(f"/containers/{OWN}/exec", json=OPENING)
    engine.reply = lambda _: httpx.Response(409, json={"message": "is not running"})
    answer = await guarded.post(f"/exec/{EXEC}/start", json=START)
    assert (answer.status_code, answer.json()) == (409, {"message": "is not running"})


# -- the connection, over real sockets -------------------------------------------------------------


@dataclass
class Docker:
    """Speaks as much of Docker's API as a terminal needs; `terminal` has the other end of it."""

    terminal: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]" = field(
        default_factory=asyncio.Queue
    )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            length = next(
                (int(line.split(b":")[1]) for line in head if line.startswith(b"content-length")), 0
            )
            await reader.readexactly(length)
            if b"/start" in head[0]:
                writer.write(
                    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
                    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst bytes"
                )
                self.terminal.put_nowait((reader, writer))
                return
            answer: dict[str, Any] = {"Id": EXEC}
            if b"/json" in head[0]:
                labels = {"distros.managed": "true", "distros.stack": STACK}
                labels["distros.distribution"] = "shell"
                answer = {"Id": OWN, "Config": {"Labels": labels}}
            body = json.dumps(answer).encode()
            status = b"201 Created" if b"/exec " in head[0] else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    async def _head(self, reader: asyncio.StreamReader) -> list[bytes]:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).lower().splitlines()
        except asyncio.IncompleteReadError:
            return []


@asynccontextmanager
async def guarded_docker(tmp_path: Path) -> AsyncIterator[tuple[Docker, Execs]]:
    """As the orchestrator reaches it: through the guard."""
    engine, socket = Docker(), str(tmp_path / "docker.sock")
    server = await asyncio.start_unix_server(engine.serve, socket)
    upstream = Upstream.at(socket)
    async with (
        server,
        served(Guard(POLICY, upstream), port=0, http=Protocol) as guard,
        asyncio.timeout(20),
    ):
        port = guard.servers[0].sockets[0].getsockname()[1]
        orchestrators = Execs.at(f"tcp://127.0.0.1:{port}", timeout=5)
        yield engine, orchestrators
        await orchestrators.close()
        await upstream.close()


async def test_bytes_go_both_ways_until_the_visitor_leaves(tmp_path: Path) -> None:
    async with guarded_docker(tmp_path) as (engine, through_guard):
        exec_id = await through_guard.create(OWN, OPENING)
        connection = await through_guard.start(exec_id)
        reader, writer = await engine.terminal.get()

        assert await connection.read() == b"first bytes"
        await connection.write(b"\x00\xff typed")
        assert await reader.readexactly(8) == b"\x00\xff typed"
        writer.write(b"said")
        assert await connection.read() == b"said"

        await connection.close()
        assert await reader.read() == b""
        writer.close()


async def test_the_end_of_the_shell_ends_the_connection(tmp_path: Path) -> None:
    async with guarded_docker(tmp_path) as (engine, through_guard):
        connection = await through_guard.start(await through_guard.create(OWN, OPENING))
        _, writer = await engine.terminal.get()
        writer.write(b" and last")
        writer.close()

        said = b""
        while piece := await connection.read():
            said += piece
        assert said == b"first bytes and last"
        await connection.close()


async def test_who_does_not_read_holds_up_the_engine(tmp_path: Path) -> None:
    """Neither the guard nor the orchestrator keeps what nobody takes."""
    async with guarded_docker(tmp_path) as (engine, through_guard):
        connection = await through_guard.start(await through_guard.create(OWN, OPENING))
        _, writer = await engine.terminal.get()
        written = 0

        async def flood() -> None:
            nonlocal written
            while True:
                writer.write(b"y" * 64 * 1024)
                await writer.drain()
                written += 64 * 1024

        task = asyncio.create_task(flood())
        before = -1
        while written != before:  # it has come to a halt
            before = written
            await asyncio.sleep(0.2)
        assert written < 16 * 1024**2
        read = 0
        while read <= before:
            read += len(await connection.read())
        task.cancel()
        await connection.close()
        writer.close()
