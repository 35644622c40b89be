"""Floods, forged names and a search for secrets, through the real proxy. Others are unaffected."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.web.test_attacks import HOSTILE

from .stack import Stack, docker

AFFECTED = 2.0  # seconds; a page takes some 20 ms
OPENED = 5000
PER_VISITOR = 20  # open streams, as by default
VISITORS = 5


def connect(stack: Stack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.port), timeout=15)


def request(stack: Stack, line: str, *headers: str) -> bytes:
    head = [f"{line} HTTP/1.1", f"Host: distros.localhost:{stack.port}", *headers]
    return "\r\n".join([*head, "", ""]).encode()


def status_of(connection: socket.socket) -> int:
    received = b""
    while b"\r\n" not in received and (chunk := connection.recv(4096)):
        received += chunk
    return int(received[9:12])


def require_unaffected(stack: Stack) -> None:
    """Somebody else gets the front page, soon."""
    for _ in range(10):
        began = time.perf_counter()
        assert stack.get(f"{stack.site_url}/").status_code == 200
        assert time.perf_counter() - began < AFFECTED


# -- slow and large --------------------------------------------------------------------------------


def test_who_dawdles_over_headers_and_bodies_keeps_nobody_waiting(stack: Stack) -> None:
    with ExitStack() as connections:
        slow = [connections.enter_context(connect(stack)) for _ in range(400)]
        for connection in slow[:200]:
            connection.sendall(request(stack, "GET /", "X-Slow: ")[:-4])
        for connection in slow[200:]:
            form = "Content-Type: application/x-www-form-urlencoded"
            connection.sendall(request(stack, "POST /launch", form, "Content-Length: 100"))
        require_unaffected(stack)


def test_64_kib_of_headers_do_no_harm_and_a_megabyte_is_refused(stack: Stack) -> None:
    """Some more than 64 KiB pass where they come at once; Traefik's own bound is hard."""
    for size, answers in ((64, {200, 400, 431}), (1100, {431})):
        with connect(stack) as connection:
            connection.sendall(request(stack, "GET /", f"X-Large: {'x' * size * 1024}"))
            assert status_of(connection) in answers
    require_unaffected(stack)


@pytest.mark.parametrize("framing", ["Content-Length: 1073741824", "Transfer-Encoding: chunked"])
def test_of_a_body_of_a_gigabyte_hardly_anything_is_taken(stack: Stack, framing: str) -> None:
    piece = b" " * 65536
    if framing.endswith("chunked"):
        piece = b"10000\r\n" + piece + b"\r\n"
    sent = 0
    with connect(stack) as connection:
        json_body = "Content-Type: application/json"
        connection.sendall(request(stack, "POST /api/v1/instances", json_body, framing))
        connection.settimeout(1)
        try:
            while sent < 1024**3:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:  # nobody reads it any more
            pass
    assert sent < 32 * 1024**2
    require_unaffected(stack)


# -- streams ---------------------------------------------------------------------------------------


def open_streams(stack: Stack) -> float:
    """As the service counts them itself."""
    with stack.api() as admin:
        text = admin.get(f"http://127.0.0.1:{stack.port}/metrics").text
    (line,) = [each for each in text.splitlines() if each.startswith("distros_event_streams ")]
    return float(line.split()[1])


@pytest.fixture
def streams(stack: Stack) -> Iterator[list[bytes]]:
    """Of several visitors: the request that opens one for a site of theirs."""
    with ExitStack() as visitors:
        asked = []
        for _ in range(VISITORS):
            visitor = visitors.enter_context(stack.api(admin=False))
            launched = visitor.post("/instances", json={"distribution": "dokuwiki"})
            assert launched.status_code == 202
            path = launched.headers["location"]
            visitors.callback(visitor.delete, path.removeprefix("/api/v1"))
            (cookie,) = [f"{name}={value}" for name, value in visitor.cookies.items()]
            asked.append(request(stack, f"GET {path}/events", f"Cookie: {cookie}"))
        yield asked


def test_5000_streams_that_are_opened_and_reset_leave_nothing_behind(
    stack: Stack, streams: list[bytes]
) -> None:
    each_time = PER_VISITOR * VISITORS
    for number in range(OPENED // each_time):
        opened = [connect(stack) for _ in range(each_time)]
        for connection, asked in zip(opened, streams * each_time, strict=False):
            connection.sendall(asked)
        if number % 2:
            assert {status_of(connection) for connection in opened} <= {200, 429}
        for connection in opened:
            # A reset, not an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        if number % 10 == 0:
            require_unaffected(stack)
    give_up = time.monotonic() + 30
    while open_streams(stack):
        assert time.monotonic() < give_up, open_streams(stack)
        time.sleep(0.1)
    with ExitStack() as connections:
        statuses = []
        for _ in range(PER_VISITOR + 1):
            connection = connections.enter_context(connect(stack))
            connection.sendall(streams[0])
            statuses.append(status_of(connection))
    assert statuses == [200] * PER_VISITOR + [429]  # their limit counts from zero again


# -- names and ids ---------------------------------------------------------------------------------


def routers(stack: Stack) -> set[str]:
    address = f"http://127.0.0.1:{stack.admin_port}/api/http/routers?per_page=1000"
    return {each["name"] for each in httpx.get(address, timeout=10, trust_env=False).json()}


@pytest.mark.parametrize("typed", HOSTILE)
def test_whatever_the_name_one_router_comes_and_goes(stack: Stack, typed: str) -> None:
    before = routers(stack)
    with stack.api() as admin:
        body = {"distribution": "hello", "name": typed}
        answer = admin.post("/instances", json=body, headers={"Prefer": "wait=60"})
        if answer.status_code == 422:
            assert routers(stack) == before
            return
        instance_id = answer.json()["id"]
        assert routers(stack) - before == {f"{stack.name}-{instance_id}@docker"}
        admin.delete(f"/instances/{instance_id}")
    give_up = time.monotonic() + 10
    while routers(stack) != before:
        assert time.monotonic() < give_up, routers(stack) ^ before
        time.sleep(0.05)


def test_forged_and_foreign_ids_and_cookies_get_the_same_answer(stack: Stack) -> None:
    theirs = stack.launch("hello", lifetime=600)["id"]
    forged = {"Cookie": "distros_visitor=v-0123456789abcdef.forged"}
    asked = [(theirs, {}), (theirs, forged), ("abcdefghijkm", {}), ("abcdefghijkm", forged)]
    with stack.api(admin=False) as stranger:
        answers = [stranger.get(f"/instances/{each}", headers=sent) for each, sent in asked]
    assert {each.status_code for each in answers} == {404}
    assert (
        len(
            {
                each.text.replace(theirs, "ID")
                .replace("abcdefghijkm", "ID")
                .partition("request_id")[0]
                for each in answers
            }
        )
        == 1
    )
    with stack.api() as admin:
        admin.delete(f"/instances/{theirs}")


@pytest.mark.parametrize("path", ["/api/rawdata", "/dashboard/", "/", "/metrics"])
def test_the_dashboard_does_not_answer_to_a_name_that_was_pointed_here(
    stack: Stack, path: str
) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.admin_port}", trust_env=False) as page:
        for port in ("", f":{stack.admin_port}"):
            foreign = page.get(path, headers={"Host": f"rebound.example{port}"})
            assert foreign.status_code == 404
            for own in ("localhost", "127.0.0.1", "[::1]"):
                answer = page.get(path, headers={"Host": f"{own}{port}"})
                assert answer.status_code in (200, 302), own


# -- secrets ---------------------------------------------------------------------------------------


def test_no_secret_is_in_events_inspections_logs_routes_and_others_pages(stack: Stack) -> None:
    settings = dict(
        line.split("=", 1) for line in stack.env_file.read_text().splitlines() if "=" in line
    )
    since = docker("info", "--format", "{{.SystemTime}}").strip()
    with stack.api(admin=False) as anna, stack.api(admin=False) as ben:
        document = anna.post(
            "/instances", json={"distribution": "dokuwiki"}, headers={"Prefer": "wait=60"}
        ).json()
        (cookie,) = anna.cookies.values()
        secrets = {
            "password": document["login"]["password"],
            "secret key": settings["DISTROS_SECRET_KEY"],
            "admin's token": stack.admin_token,
            "cookie": cookie,
        }
        path = f"/instances/{document['id']}"
        (inspected,) = json.loads(docker("inspect", stack.container(document["id"])))
        environment = inspected["Config"].pop("Env")
        assert any(secrets["password"] in each for each in environment)  # decision 21: there alone
        seen = {
            "the inspection": json.dumps(inspected),
            "Traefik's configuration": httpx.get(
                f"http://127.0.0.1:{stack.admin_port}/api/rawdata", timeout=10, trust_env=False
            ).text,
            "the site, as others see it": stack.get(document["url"], follow_redirects=True).text,
            "Ben's instances": ben.get("/instances").text,
            "Anna's instance, for Ben": ben.get(path).text,
            "Ben's front page": stack.get(f"{stack.site_url}/").text,
        }
        anna.delete(path)
    stack.until_removed(document["id"], timeout=30)
    until = docker("info", "--format", "{{.SystemTime}}").strip()
    seen["events"] = docker("events", "--since", since, "--until", until)
    assert document["id"] in seen["events"]
    for name in docker("ps", "--format", "{{.Names}}").split():
        if name.startswith(f"{stack.name}-") and name.endswith("-1"):
            seen[f"the log of {name}"] = docker("logs", name)
    found = [
        (what, where) for what, secret in secrets.items() for where in seen if secret in seen[where]
    ]
    assert found == []
    assert document["id"] in seen[f"the log of {stack.name}-orchestrator-1"]
