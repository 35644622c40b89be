import asyncio
import functools
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .support import World, running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="the tests of faults in their long form (make soak)"
    )
    parser.addoption("--minutes", type=float, help="for how long the soak lasts (make soak)")


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """An asynchronous test that hangs is cancelled before its time is up (pytest-timeout): one
    fails, where it hangs, and the loop that it shares with others goes on."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(test := item.obj):
        marker = item.get_closest_marker("timeout")
        seconds = float(marker.args[0] if marker else item.config.getini("timeout"))

        @functools.wraps(test)
        async def bounded(**arguments: Any) -> None:
            async with asyncio.timeout(seconds * 0.8 or None):
                await test(**arguments)

        item.obj = bounded


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
    monkeypatch.setattr("orchestrator.store.sql_database.PATIENCE", 30.0)
