"""`distros serve` leaves when it is told to: soon, with code 0, and with nothing lost."""

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from subprocess import Popen

import pytest

from .processes import ON_FAKES, free_port, started

TOKEN = "a" * 32
IN_TIME = 10.0  # seconds, at most


@pytest.fixture
def on_fakes(variables: dict[str, str]) -> dict[str, str]:
    return variables | {
        "DISTROS_ADMIN_TOKEN": TOKEN,
        "DISTROS_CAPACITY": "30",
        "FAKE_START_DELAY": "600",
        "DISTROS_LOG_FORMAT": "json",
    }


async def ask(
    port: int,
    method: str,
    path: str,
    *headers: str,
    body: str = "",
    begun: Callable[[], object] = lambda: None,
) -> tuple[str, str]:
    """Head and body of the answer, once the connection has ended; calls `begun` at the head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        f"{method} /api/v1{path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    writer.write("\r\n".join([*lines, "", body]).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    begun()
    rest = await reader.read()
    writer.close()
    return head.decode(), rest.decode()


async def launch(port: int, *headers: str) -> tuple[str, dict[str, str]]:
    head, body = await ask(port, "POST", "/instances", *headers, body='{"distribution": "wiki"}')
    return head.split()[1], json.loads(body)


async def left(process: Popen[bytes], *signals: signal.Signals) -> None:
    """It ends in time, with code 0."""
    for each in signals:
        process.send_signal(each)
        await asyncio.sleep(0.05)
    assert await asyncio.to_thread(process.wait, IN_TIME) == 0


def rows(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "distros.db")) as database:
        return [state for (state,) in database.execute("SELECT state FROM instances")]


async def until(folder: Path, wanted: Callable[[list[str]], bool]) -> None:
    async with asyncio.timeout(15):
        while not wanted(rows(folder)):
            await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_streams_end_waits_are_answered_and_launches_go_on_in_the_next_process(
    on_fakes: dict[str, str], elsewhere: Path
) -> None:
    port = free_port()
    with (elsewhere / "log").open("wb") as log, started(on_fakes, port, ON_FAKES, output=log) as it:
        _, under_way = await launch(port)
        path = f"/instances/{under_way['id']}/events"
        begun = asyncio.Semaphore(0)
        streams = [
            asyncio.create_task(ask(port, "GET", path, begun=begun.release)) for _ in range(500)
        ]
        waits = [asyncio.create_task(launch(port, "Prefer: wait=60")) for _ in range(10)]
        for _ in streams:
            await begun.acquire()
        await until(elsewhere, lambda states: len(states) == 11)

        await left(it, signal.SIGTERM)

        for head, body in await asyncio.gather(*streams):
            assert head.startswith("HTTP/1.1 200") and body.endswith("0\r\n\r\n")
            assert "event: instance" in body and "retry: " in body and "event: end" not in body
        for status, document in await asyncio.gather(*waits):
            assert status == "202"
            assert document["state"] in {"queued", "starting"}
    said = (elsewhere / "log").read_text()
    assert "Traceback" not in said and '"exception"' not in said and '"error"' not in said
    assert set(rows(elsewhere)) == {"queued", "starting"}

    with started(on_fakes | {"FAKE_START_DELAY": "0"}, port, ON_FAKES):
        await until(elsewhere, lambda states: states == ["ready"] * 11)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGINT],
        [signal.SIGTERM, signal.SIGTERM],
        [signal.SIGTERM, signal.SIGINT, signal.SIGINT],
    ],
    ids=lambda signals: "-".join(each.name for each in signals),
)
async def test_any_signal_and_a_second_one_mean_the_same(
    on_fakes: dict[str, str], elsewhere: Path, signals: Sequence[signal.Signals]
) -> None:
    port = free_port()
    with started(on_fakes, port, ON_FAKES) as process:
        wait = asyncio.create_task(launch(port, "Prefer: wait=60"))
        await until(elsewhere, lambda states: len(states) == 1)

        await left(process, *signals)
        assert (await wait)[0] == "202"


@pytest.mark.anyio
async def test_a_silent_engine_does_not_hold_it_up(
    on_fakes: dict[str, str], elsewhere: Path
) -> None:
    port = free_port()
    with started(on_fakes | {"FAKE_START_DELAY": "0"}, port, ON_FAKES) as process:
        _, instance = await launch(port, "Prefer: wait=10")
        process.send_signal(signal.SIGUSR1)
        path = f"/instances/{instance['id']}"
        stuck = [asyncio.create_task(ask(port, "DELETE", path)) for _ in range(5)]
        await until(elsewhere, lambda states: states == ["stopping"])

        await left(process, signal.SIGTERM)
        assert {head.split()[1] for head, _ in await asyncio.gather(*stuck)} == {"204"}


@pytest.mark.anyio
async def test_a_request_that_never_ends_is_broken_off(
    on_fakes: dict[str, str], elsewhere: Path
) -> None:
    port = free_port()
    with (elsewhere / "log").open("wb") as log, started(on_fakes, port, ON_FAKES, output=log) as it:
        half = "POST /api/v1/instances HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{half}Content-Type: application/json\r\n\r\n".encode())
        await ask(port, "GET", "/stats")  # which comes later, and is answered

        await left(it, signal.SIGTERM)
        answer = (await reader.read()).decode().lower()
        assert answer.startswith("http/1.1 503") and "retry-after: 5" in answer
        writer.close()
    assert "Traceback" not in (elsewhere / "log").read_text()


@pytest.mark.anyio
async def test_a_socket_that_takes_everything_and_says_nothing_holds_up_neither_answers_nor_the_end(
    variables: dict[str, str], elsewhere: Path
) -> None:
    port = free_port()
    settings = variables | {
        "DISTROS_ADMIN_TOKEN": TOKEN,
        "DISTROS_DOCKER_URL": f"unix://{elsewhere}/silent.sock",
    }

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_unix_server(say_nothing, str(elsewhere / "silent.sock"))
    with (elsewhere / "log").open("wb") as log, started(settings, port, output=log) as it:
        began = time.monotonic()
        head, body = await ask(port, "POST", "/instances", body='{"distribution": "hello"}')
        assert time.monotonic() - began < 1
        assert head.split()[1] == "503" and "Retry-After" in head.title()
        assert json.loads(body)["code"] == "engine_unavailable"

        await left(it, signal.SIGTERM)
    silent.close()
    await silent.wait_closed()
    assert "Traceback" not in (elsewhere / "log").read_text()
