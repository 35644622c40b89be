"""As many requests as the loopback interface takes, over connections that stay open.

It speaks HTTP itself, as far as that goes here: a client library would be slower than the service.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Self

HEALTH_INTERVAL = 0.1  # seconds


@dataclass
class Burst:
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)  # ids
    without_retry_after: int = 0
    slowest_health: float = 0.0  # seconds
    seconds: float = 0.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> Answer:
        self._writer.write(request)
        first, _, rest = (await self._reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        headers = {name.lower(): value for name, value in message_from_bytes(rest).items()}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(first.split()[1]), headers, body)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def request(what: str, host: str, body: bytes = b"", **headers: str) -> bytes:
    """`what` is such as `GET /healthz`."""
    given = headers | {"Host": host, "Content-Length": str(len(body))}
    if body:
        given["Content-Type"] = "application/json"
    lines = [f"{what} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def burst(port: int, *, host: str, requests: int, connections: int, **headers: str) -> Burst:
    """POSTs so many launches, and asks for `/healthz` all the while."""
    result = Burst()
    left = iter(range(requests))
    started = time.monotonic()
    asked = request("POST /api/v1/instances", host, b'{"distribution": "wiki"}', **headers)
    watching = asyncio.create_task(_watch_health(port, host, result))
    await asyncio.gather(*(_send(port, asked, left, result) for _ in range(connections)))
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    result.seconds = time.monotonic() - started
    return result


async def _send(port: int, asked: bytes, left: Iterator[int], result: Burst) -> None:
    connection = await Connection.open(port)
    for _ in left:
        answer = await connection.ask(asked)
        result.statuses[answer.status] += 1
        if answer.status < 300:
            result.accepted.add(json.loads(answer.body)["id"])
        elif "retry-after" not in answer.headers:
            result.without_retry_after += 1
    await connection.close()


async def _watch_health(port: int, host: str, result: Burst) -> None:
    connection = await Connection.open(port)
    try:
        while True:
            asked = time.monotonic()
            answer = await connection.ask(request("GET /healthz", host))
            assert answer.status == 200
            result.slowest_health = max(result.slowest_health, time.monotonic() - asked)
            await asyncio.sleep(HEALTH_INTERVAL)
    finally:
        await connection.close()
