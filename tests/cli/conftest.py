"""A served service on fakes, and the command run against it, or against nothing."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
import uvicorn
from typer.testing import CliRunner, Result

from orchestrator.cli import app

from ..support import ADMIN_TOKEN, World, running

T = TypeVar("T")
Command = Callable[..., Result]


@dataclass(frozen=True)
class Served:
    """A service that answers on a port of this machine, in a thread of its own."""

    url: str  # under .localhost, which only the command's own client can resolve
    world: World
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """In the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)


@contextmanager
def serving(folder: Path, **how: Any) -> Iterator[Served]:
    up = threading.Event()
    found: list[tuple[Served, uvicorn.Server]] = []

    async def serve() -> None:
        async with running(folder, **how) as world:
            config = uvicorn.Config(world.app, port=0, lifespan="off", log_config=None)
            server = _Server(config, up)
            loop = asyncio.get_running_loop()
            listener = config.bind_socket()
            port = listener.getsockname()[1]
            served = Served(f"http://distros.localhost:{port}", world, loop)
            found.append((served, server))
            await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(10)
    served, server = found[0]
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(10)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, up: threading.Event) -> None:
        super().__init__(config)
        self._up = up

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._up.set()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The service's log must not get among what the command prints."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable and no `.env` of this machine is seen."""
    for name in os.environ:
        if name.startswith("DISTROS_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("orchestrator.cli.environment.ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        yield served


@pytest.fixture
def offline() -> Command:
    """`offline("list")` runs `distros list`; there is no server unless it is named."""

    def run(*words: str, **variables: str) -> Result:
        return CliRunner().invoke(app, words, env=variables, prog_name="distros")

    return run


@pytest.fixture
def distros(server: Served, offline: Command) -> Command:
    """Runs the command as the admin of `server`."""

    def run(*words: str, **variables: str) -> Result:
        ours = {"DISTROS_URL": server.url, "DISTROS_TOKEN": ADMIN_TOKEN}
        return offline(*words, **ours | variables)

    return run


@pytest.fixture
def variables(elsewhere: Path) -> dict[str, str]:
    """For a process of its own, which `processes.started` starts."""
    return {
        "DISTROS_SECRET_KEY": "s" * 32,
        "DISTROS_DATABASE_URL": f"sqlite+aiosqlite:///{elsewhere}/distros.db",
        "DISTROS_DOCKER_URL": f"unix://{elsewhere}/nothing.sock",  # the service starts without
        "DISTROS_PORT": "0",
    }
