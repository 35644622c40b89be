"""`Client.changes` against a server that breaks off: a restart, a proxy that gives up."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import orchestrator.client
from orchestrator.client import Client
from orchestrator.connection import Refused, ServerUnreachable

STARTING = {"state": "starting"}
GONE = {"state": "gone"}
PROBLEM = {"status": 404, "code": "unknown_instance", "detail": "There is no instance."}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.client, "RECONNECT_PAUSE", 0)


@contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[Client]:
    """Each request gets the next answer, the last one again and again. A status of 200 is a stream
    with that one document, which then breaks off."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = left.pop(0) if len(left) > 1 else left[0]
            problem = "application/problem+json" if document else "text/plain"
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if status == 200 else problem)
            self.end_headers()
            text = json.dumps(document)
            stream = f": hello\r\nevent: instance\r\ndata: {text}\r\n\r\n"
            self.wfile.write((stream if status == 200 else text).encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}") as client:
            yield client
        server.shutdown()
        thread.join()


def changes(client: Client) -> list[object]:
    return list(client.changes("x", deadline=time.monotonic() + 20))


def test_a_stream_that_breaks_off_is_opened_again() -> None:
    with answering((200, STARTING), (200, STARTING), (200, GONE)) as client:
        assert changes(client) == [STARTING, STARTING, GONE]


def test_a_server_that_is_away_for_a_moment_is_waited_for() -> None:
    busy = (503, PROBLEM | {"status": 503})
    with answering((200, STARTING), (502, None), busy, (200, GONE)) as client:
        assert changes(client) == [STARTING, GONE]


def test_a_server_that_stays_away_is_given_up() -> None:
    with answering((502, None)) as client, pytest.raises(ServerUnreachable):
        changes(client)


def test_an_instance_that_is_not_there_is_not_asked_for_again() -> None:
    with answering((404, PROBLEM), (200, GONE)) as client, pytest.raises(Refused) as refused:
        changes(client)
    assert refused.value.code == "unknown_instance"
