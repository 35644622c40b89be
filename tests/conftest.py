from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .support import World, running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="the tests of faults in their long form (make soak)"
    )
    parser.addoption("--minutes", type=float, help="for how long the soak lasts (make soak)")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests (`pytest.mark.anyio`) run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture
async def world(anyio_backend: str, tmp_path: Path) -> AsyncIterator[World]:
    """A running service on the fake engine."""
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
def patient_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, a hundred who write at once all get their turn."""
    monkeypatch.setattr("orchestrator.store.sql.PATIENCE", 30.0)
