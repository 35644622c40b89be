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
from orchestrator.domain.outages import Unavailable
from orchestrator.engine.docker import DockerEngine

from .conftest import ROUTING, make_spec

pytestmark = pytest.mark.anyio


class Reserving(BaseHTTPRequestHandler):
    """Says 409 to every create; `taken_by` has the labels of the container of that name."""

    taken_by: ClassVar[dict[str, str] | None]

    def do_GET(self) -> None:
        match self.path.split("?")[0].rsplit("/", 2)[-2:]:
            case [_, "version"]:
                self._answer(200, {"ApiVersion": "1.41"})
            case ["containers", "json"]:
                self._answer(200, [])
            case [_, "json"] if "/images/" in self.path:
                self._answer(200, {"Id": "sha256:1", "Config": {"User": "1000:1000"}})
            case _ if self.taken_by is None:
                self._answer(404, {"message": "No such container"})
            case _:
                self._answer(200, {"Id": "2", "Config": {"Labels": self.taken_by}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
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


async def test_it_is_waited_for(url: str) -> None:
    Reserving.taken_by = None
    with pytest.raises(Unavailable, match="still creating"):  # and so it is tried again
        await start(url)


async def test_somebody_elses_is_not(url: str) -> None:
    Reserving.taken_by = {}
    with pytest.raises(EngineError, match="is taken by a container that is not ours"):
        await start(url)


async def start(url: str) -> None:
    engine = DockerEngine(url, routing=ROUTING, timeout=5)
    try:
        await engine.start(make_spec())
    finally:
        await engine.close()
