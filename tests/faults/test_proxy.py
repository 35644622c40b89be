"""The fault proxy does what it is told, and nothing else."""

import json
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from .proxy import Cut, Delay, FaultProxy, Refuse, Silent, Truncate, fault_proxy


class Engine(BaseHTTPRequestHandler):
    """Answers with what it was asked for; `/events` says a line each 10 ms."""

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith("/events"):
            self.end_headers()
            for _ in range(500):
                self.wfile.write(b"line\n")
                time.sleep(0.01)
            return
        body = f"{self.command} {self.path}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(asked)))
        self.end_headers()
        self.wfile.write(asked)

    def address_string(self) -> str:
        return "the proxy"

    def log_message(self, *_: object) -> None: ...


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None: ...  # whoever asked has left


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with tempfile.TemporaryDirectory(prefix="distros-proxy-") as name:
        folder = Path(name)
        with Server(str(folder / "engine.sock"), Engine) as engine:
            serving = threading.Thread(target=engine.serve_forever, args=(0.01,))
            serving.start()
            with fault_proxy(folder, folder / "engine.sock") as started:
                yield started
            engine.shutdown()
            serving.join()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    path = proxy.url.removeprefix("unix://")
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=path), base_url="http://engine", timeout=1
    ) as made:
        yield made


def test_it_passes_requests_and_their_bodies(proxy: FaultProxy, client: httpx.Client) -> None:
    assert client.get("/v1.41/info").text == "GET /v1.41/info"
    assert client.post("/v1.41/make?name=a", content=b"x" * 200_000).text == "x" * 200_000
    assert [(call.what, call.query, call.status) for call in proxy.calls] == [
        ("GET /info", "", 200),
        ("POST /make", "name=a", 201),
    ]


def test_a_fault_reaches_what_it_names_for_as_long_as_it_is_on(
    proxy: FaultProxy, client: httpx.Client
) -> None:
    with proxy.fault(Refuse(409, "busy"), r"^DELETE /containers/"):
        refused = client.delete("/v1.41/containers/abc")
        assert client.get("/v1.41/containers/abc").status_code == 200
    assert (refused.status_code, json.loads(refused.text)) == (409, {"message": "busy"})
    assert client.delete("/v1.41/containers/abc").status_code == 501  # the engine's own answer


def test_it_delays(proxy: FaultProxy, client: httpx.Client) -> None:
    started = time.monotonic()
    with proxy.fault(Delay(0.3)):
        assert client.get("/info").status_code == 200
    assert 0.3 <= time.monotonic() - started < 1


def test_it_says_nothing(proxy: FaultProxy, client: httpx.Client) -> None:
    with proxy.fault(Silent()), pytest.raises(httpx.ReadTimeout):
        client.get("/info")


def test_it_closes_at_once(proxy: FaultProxy, client: httpx.Client) -> None:
    with proxy.fault(Cut()), pytest.raises(httpx.RemoteProtocolError):
        client.get("/info")


def test_it_ends_an_answer_half_way(proxy: FaultProxy, client: httpx.Client) -> None:
    with proxy.fault(Truncate(after=40)), pytest.raises(httpx.RemoteProtocolError):
        client.get("/info")
    assert proxy.calls[-1].status == 200


def test_an_open_stream_falls_silent(proxy: FaultProxy, client: httpx.Client) -> None:
    with client.stream("GET", "/events") as stream:
        lines = stream.iter_raw()
        assert next(lines)
        with proxy.fault(Silent(), "/events"), pytest.raises(httpx.ReadTimeout):
            for _ in lines:
                pass


def test_an_open_stream_is_cut(proxy: FaultProxy, client: httpx.Client) -> None:
    with client.stream("GET", "/events") as stream, ThreadPoolExecutor(1) as threads:
        reading = threads.submit(lambda: sum(map(len, stream.iter_raw())))
        assert proxy.cut("/events") == 1
        assert reading.result(5) < 2500
