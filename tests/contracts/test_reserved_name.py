"""An engine that is slow in creating: a container's name is taken before the container is there.

Docker does so for the moment of a create alone, so a server that does it for as long as wanted
stands in for it.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from orchestrator.domain.engine_errors import EngineError
from orchestrator.engine.container import labels
from orchestrator.engine.docker import DockerEngine

from .conftest import ROUTING, make_spec

pytestmark = pytest.mark.anyio


class Reserving(BaseHTTPRequestHandler):
    """Says 409 to every create. `labels` are those of the container of that name, once there is
    one: at the `appears`th question for it."""

    labels: ClassVar[dict[str, str]]
    appears: ClassVar[int]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        match self.path.split("?")[0].rsplit("/", 2)[-2:]:
            case [_, "version"]:
                self._answer(200, {"ApiVersion": "1.41"})
            case ["containers", "json"]:
                self._answer(200, [])
            case [_, "json"] if "/images/" in self.path:
                self._answer(200, {"Id": "sha256:1", "Config": {"User": "1000:1000"}})
            case _:
                self.asked.append(self.path)
                found = {
                    "Id": "2",
                    "Config": {"Labels": self.labels},
                    "State": {"Status": "created"},
                }
                there = len(self.asked) >= self.appears
                self._answer(*((200, found) if there else (404, {"message": "No such container"})))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/start"):
            self._answer(204, None)
        else:
            self._answer(409, {"message": "Conflict. The container name is already in use."})

    def _answer(self, status: int, body: object) -> None:
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Reserving) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_what_appears_later_is_started(url: str) -> None:
    await start(url, appears=5, ours=True)


async def test_what_never_appears_fails_the_launch(url: str) -> None:
    with pytest.raises(EngineError, match="no container of it appears"):
        await start(url, appears=1000, ours=True)


async def test_somebody_elses_fails_it_at_once(url: str) -> None:
    with pytest.raises(EngineError, match="is taken by a container that is not ours"):
        await start(url, appears=1, ours=False)


async def start(url: str, *, appears: int, ours: bool) -> None:
    spec = make_spec()
    Reserving.labels = labels(ROUTING, spec) if ours else {}
    Reserving.appears, Reserving.asked = appears, []
    engine = DockerEngine(url, routing=ROUTING, timeout=1)
    try:
        await engine.start(spec)
    finally:
        await engine.close()
