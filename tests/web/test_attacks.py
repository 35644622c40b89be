"""What strangers try: names, floods, slow and oversized requests. Others are unaffected."""

import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import InvalidName
from orchestrator.domain.naming import NAME_PATTERN, hostname, instance_id_of, site_name
from orchestrator.web import bodies
from tests.cli.conftest import Served, serving
from tests.support import ADMIN_TOKEN, World

V1 = "/api/v1"
HOSTILE = [
    "`",
    "`) || HostRegexp(`.*",
    "a||b",
    "a && PathPrefix(`/`)",
    "a\nb",
    "a\r\nHost: evil.example",
    "a\x00b",
    "..",
    "a.b.c",
    "../../etc/passwd",
    "xn--80ak6aa92e",
    "-xn--a-",
    "x" * 300,
    "ｆｕｌｌ－ｗｉｄｔｈ",
    "$(reboot)",
    "'; DROP TABLE instances; --",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "traefik.enable=true",
]


# -- names -----------------------------------------------------------------------------------------


@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.text(max_size=320), st.text(alphabet="`|&().-_*x0\n\x00 ", max_size=60)))
@example("xn--a")
def test_a_name_is_slugged_or_refused_and_the_id_alone_routes(typed: str) -> None:
    try:
        name = site_name(typed)
    except InvalidName:
        return
    assert name is None or NAME_PATTERN.fullmatch(name)
    host = hostname("abc234def567", name, "sandbox.localhost")
    assert re.fullmatch(r"[a-z0-9-]{1,63}\.sandbox\.localhost", host)
    assert instance_id_of(host, "sandbox.localhost") == "abc234def567"


@pytest.mark.anyio
async def test_whatever_the_name_a_routers_labels_differ_by_the_id_alone(world: World) -> None:
    seen = set()
    async with world.admin() as admin:
        for typed in ["plain", *HOSTILE]:
            body = {"distribution": "wiki", "name": typed}
            answer = await admin.post(f"{V1}/instances", json=body, headers={"Prefer": "wait=5"})
            assert answer.status_code in (201, 422), typed
            if answer.status_code == 201:
                instance_id = answer.json()["id"]
                container = world.engine.host.containers[world.engine.name_of(instance_id)]
                labels = {
                    key.replace(instance_id, "ID"): value.replace(instance_id, "ID")
                    for key, value in container.labels.items()
                    if not key.endswith(("-at", ".network"))
                }
                seen.add(tuple(sorted(labels.items())))
                await admin.delete(f"{V1}/instances/{instance_id}")
    assert len(seen) == 1


# -- ids ------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "forged",
    [
        "abcdefghijkm",
        "x" * 12,
        "x" * 5000,
        "%2e%2e",
        "a%00b",
        "%F0%9F",
        "'--",
        "ABCDEFGHJKMN",
    ],
)
async def test_a_forged_id_looks_like_a_foreign_one(world: World, forged: str) -> None:
    async with world.client() as anna, world.client() as ben:
        launched = await anna.post(f"{V1}/instances", json={"distribution": "wiki"})
        foreign = await ben.get(launched.headers["location"])
        answer = await ben.get(f"{V1}/instances/{forged}")
    same = ("status", "code", "title", "hint")
    if answer.json()["code"] != "not_found":  # it is no id at all, but another path
        assert [answer.json()[key] for key in same] == [foreign.json()[key] for key in same]
    assert answer.status_code == foreign.status_code == 404


# -- on real sockets -------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, streams_per_visitor=0, streams_per_address=0) as served:
        yield served


@pytest.fixture
def visitor(served: Served) -> Iterator[httpx.Client]:
    """Somebody else, who wants to get on."""
    with httpx.Client(base_url=local(served), timeout=5, trust_env=False) as client:
        yield client


def local(served: Served) -> str:
    return served.url.replace("distros.localhost", "127.0.0.1")


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=5)


def answer_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received and (chunk := connection.recv(65536)):
        received += chunk
    return received


def quick(visitor: httpx.Client) -> bool:
    began = time.perf_counter()
    return visitor.get("/").status_code == 200 and time.perf_counter() - began < 5


def test_three_hundred_who_dawdle_over_their_headers_keep_nobody_waiting(
    served: Served, visitor: httpx.Client
) -> None:
    with ExitStack() as open_ones:
        for _ in range(300):
            slow = open_ones.enter_context(connect(served))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        assert all(quick(visitor) for _ in range(20))


def test_who_dawdles_over_a_body_is_answered_408(
    served: Served, visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bodies.DEADLINE == 10.0
    monkeypatch.setattr(bodies, "DEADLINE", 0.3)
    with connect(served) as slow:
        slow.sendall(
            b"POST /api/v1/instances HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert quick(visitor)
        assert answer_of(slow).startswith(b"HTTP/1.1 408 ")


def test_64_kib_of_headers_are_refused_or_ignored(served: Served, visitor: httpx.Client) -> None:
    for size in (16, 60, 1024):
        with connect(served) as client:
            head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: "
            try:
                client.sendall(head + b"x" * size * 1024 + b"\r\n\r\n")
                status = answer_of(client)[9:12]
            except ConnectionError:
                status = b"400"
            assert status == (b"200" if size < 64 else b"400"), size
    assert quick(visitor)


@pytest.mark.parametrize("announced", [True, False])
def test_of_a_body_of_a_gigabyte_hardly_anything_is_read(
    served: Served, visitor: httpx.Client, announced: bool
) -> None:
    framing = b"Content-Length: 1073741824" if announced else b"Transfer-Encoding: chunked"
    sent = 0
    with connect(served) as client:
        client.sendall(
            b"POST /api/v1/instances HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\n" + framing + b"\r\n\r\n"
        )
        chunk = b" " * 65536
        data = chunk if announced else b"10000\r\n" + chunk + b"\r\n"
        client.settimeout(0.5)
        try:
            while sent < 64 * 1024**2:
                client.sendall(data)
                sent += len(chunk)
        except OSError:  # nobody reads it any more
            pass
        assert sent < 32 * 1024**2
    assert quick(visitor)
    refused = visitor.post(f"{V1}/instances", content=b" " * 20_000, headers=JSON)
    assert refused.status_code == 413


JSON = {"Content-Type": "application/json"}


def test_500_streams_that_are_opened_and_reset_leave_nothing_behind(
    served: Served, visitor: httpx.Client
) -> None:
    admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    body = {"distribution": "wiki"}
    launched = visitor.post(f"{V1}/instances", json=body, headers={"Prefer": "wait=5"})
    path = launched.headers["location"]
    cookie = visitor.cookies["distros_visitor"]
    request = (
        f"GET {path}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: distros_visitor={cookie}\r\n\r\n"
    ).encode()
    limits = served.world.services.limits
    for round_of in range(5):
        streams = [connect(served) for _ in range(100)]
        for stream in streams:
            stream.sendall(request)
        if round_of % 2:
            assert answer_of(streams[-1]).startswith(b"HTTP/1.1 200 ")
        for stream in streams:
            # A reset, not an orderly end.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close()
        assert quick(visitor)
    give_up = time.monotonic() + 20
    while limits._streams or served.world.services.ledger._watchers:
        assert time.monotonic() < give_up, limits._streams
        time.sleep(0.05)
    assert visitor.get("/api/v1/stats", headers=admin).status_code == 200


def test_streams_of_one_visitor_leave_room_for_others(tmp_path: Path) -> None:
    with (
        serving(tmp_path, streams_per_visitor=3) as served,
        httpx.Client(base_url=local(served), timeout=5, trust_env=False) as anna,
        ExitStack() as open_ones,
    ):
        body = {"distribution": "wiki"}
        path = anna.post(f"{V1}/instances", json=body).headers["location"]
        statuses = [
            open_ones.enter_context(anna.stream("GET", f"{path}/events")).status_code
            for _ in range(5)
        ]
        assert statuses == [200, 200, 200, 429, 429]
        ben = open_ones.enter_context(
            httpx.Client(base_url=local(served), timeout=5, trust_env=False)
        )
        theirs = ben.post(f"{V1}/instances", json=body).headers["location"]
        assert open_ones.enter_context(ben.stream("GET", f"{theirs}/events")).status_code == 200
