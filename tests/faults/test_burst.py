"""More launches than anybody can serve: refused politely, and none is lost."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.settings import ROOT

from .burst import burst
from .rows import LIVE, read_rows
from .service import Program, ended, eventually

ON_FAKES = (sys.executable, "-m", "tests.cli.service_on_fakes", "serve")
PORT = 29085
TOKEN = "b" * 32
CAPACITY, QUEUE = 20, 50


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Program]:
    """The service as a process, on the fake engine: the real one would be asked for 20 starts."""
    program = Program(lambda: ON_FAKES, tmp_path / "service.log")
    with ended(program):
        program.spawn(
            DISTROS_SECRET_KEY="s" * 32,
            DISTROS_ADMIN_TOKEN=TOKEN,
            DISTROS_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/distros.db",
            DISTROS_PORT=str(PORT),
            DISTROS_CAPACITY=str(CAPACITY),
            DISTROS_QUEUE_LIMIT=str(QUEUE),
            DISTROS_POOL_LIMIT="0",
            DISTROS_BRING_IMAGES="false",
            PYTHONPATH=str(ROOT),
        )
        url = f"http://127.0.0.1:{PORT}/healthz"
        eventually(lambda: httpx.get(url, trust_env=False).is_success, "the service answers")
        yield program


@pytest.mark.anyio
async def test_a_flood_of_launches_is_refused_and_not_lost(
    service: Program, tmp_path: Path, long: bool
) -> None:
    done = await burst(
        PORT,
        host="distros.localhost:8080",
        requests=10_000 if long else 1_500,
        connections=64,
        Authorization=f"Bearer {TOKEN}",
    )
    print(f"\n{done}")
    assert done.statuses.keys() <= {201, 202, 429, 503}
    assert done.without_retry_after == 0
    assert done.slowest_health < 1
    assert len(done.accepted) == CAPACITY + QUEUE
    rows = read_rows(tmp_path / "distros.db")
    assert rows.keys() == done.accepted
    assert all(row.state in LIVE for row in rows.values())
    until = time.monotonic() + 20
    while sum(row.state == "ready" for row in rows.values()) < CAPACITY:
        assert time.monotonic() < until
        rows = read_rows(tmp_path / "distros.db")
