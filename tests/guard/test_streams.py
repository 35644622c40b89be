"""Over real sockets: streams arrive as they come, and end for the engine when their reader goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.guard.service import Guard
from orchestrator.guard.upstream import Upstream

from .conftest import POLICY

pytestmark = pytest.mark.anyio


class SilentEngine:
    """Says one word of its events, and then nothing."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()


@asynccontextmanager
async def served(app: ASGIApp, **where: object) -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, **where)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        await serving


async def test_a_stream_begins_at_once_and_its_end_is_told_to_the_engine(tmp_path: Path) -> None:
    engine, socket = SilentEngine(), str(tmp_path / "docker.sock")
    upstream = Upstream.at(socket)
    async with (
        served(engine, uds=socket),
        served(Guard(POLICY, upstream), port=0) as guard,
        httpx.AsyncClient(timeout=5, trust_env=False) as client,
    ):
        port = guard.servers[0].sockets[0].getsockname()[1]
        async with client.stream("GET", f"http://127.0.0.1:{port}/events") as events:
            assert await anext(events.aiter_raw()) == b"{}\n"
            assert not engine.left.is_set()
        async with asyncio.timeout(5):
            await engine.left.wait()
    await upstream.close()
