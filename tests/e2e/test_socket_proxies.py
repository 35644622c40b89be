"""What Traefik's socket proxy lets through to a real Docker Engine, and what it refuses."""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "socket-proxy"
IMAGE = "distros-test-socket-proxy"
REFUSED = 403

# For things that mostly do not exist: what counts is that the engine itself answers.
NO_SUCH = "0" * 64
PASS = [
    ("GET", "/_ping"),
    ("HEAD", "/_ping"),
    ("GET", "/version"),
    ("GET", "/v1.41/version"),
    ("GET", "/v1.41/containers/json?all=1&limit=1"),
    ("GET", f"/containers/{NO_SUCH}/json"),
    ("GET", "/v1.41/events?since=1&until=2"),
]
NEVER = [
    ("GET", "/containers/distros-orchestrator-1/json"),  # its environment has secrets
    ("GET", "/containers/0123456789ab/json"),
    ("GET", f"/containers/{NO_SUCH}/logs?stdout=1"),
    ("GET", "/images/no-such/json"),
    ("GET", "/networks/no-such"),
    ("POST", "/v1.41/containers/create?name=no-such"),
    ("POST", f"/containers/{NO_SUCH}/start"),
    ("DELETE", f"/v1.41/containers/{NO_SUCH}?v=1&force=1"),
    ("POST", "/images/create?tag=1&fromImage=127.0.0.1:1/no-such"),
    ("POST", "/_ping"),
    ("GET", "/info"),
    ("GET", "/secrets"),
    ("GET", "/images/json"),
    ("GET", "/networks"),
    ("GET", "/volumes"),
    ("POST", "/build"),
    ("POST", "/session"),
    ("POST", "/networks/create"),
    ("POST", "/volumes/create"),
    ("POST", "/swarm/init"),
    ("POST", "/exec/x/start"),
    ("POST", "/containers/x/exec"),
    ("POST", "/containers/x/attach"),
    ("POST", "/containers/x/update"),
    ("POST", "/containers/x/kill"),
    ("POST", "/containers/x/pause"),
    ("POST", "/containers/x/rename?name=y"),
    ("GET", "/containers/x/export"),
    ("GET", "/containers/x/archive?path=/etc/shadow"),
    ("PUT", "/containers/x/archive?path=/"),
    ("GET", "/images/x/get"),
    ("DELETE", "/images/x"),
    ("DELETE", "/images/distros/dokuwiki:1"),
    ("DELETE", f"/images/sha256:{'0' * 64}?force=1"),
    ("DELETE", f"/images/sha256:{'0' * 64}?force=True&noprune=False"),
    ("POST", "/images/prune"),
    ("POST", "/images/create"),
    ("POST", "/build?t=x&remote=http://127.0.0.1:1/x"),
    ("POST", "/build?t=x&networkmode=host"),
    ("POST", "/build?t=x&network%6Dode=host"),
    ("POST", "/images/create?fromSrc=http://127.0.0.1:1/x"),
    ("POST", "/images/create?fromImage=x&fromSrc=http://127.0.0.1:1/x"),
    ("POST", "/images/create?fromImage=x&from%53rc=http://127.0.0.1:1/x"),
    # The same calls in disguise.
    ("GET", "//version"),
    ("GET", "/version/"),
    ("GET", "/versions"),
    ("GET", "/v1.41/v1.41/version"),
    ("GET", "/v1.41/../info"),
    ("GET", "/containers/x/../../info"),
    ("GET", "/containers/x%2f..%2f..%2finfo/json"),
    ("GET", "/containers/x%2Fexport?/json"),
    ("GET", "/images/x/get?/json"),
    ("GET", "/images/x/../../containers/x/export/json"),
    ("GET", "/images//json"),
    ("get", "/version"),
    ("GET", "http://docker/info"),
]

Address = tuple[str, int]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.APIClient]:
    with contextlib.closing(docker.APIClient(version="auto")) as client:
        lines = client.build(path=str(FOLDER), tag=IMAGE, rm=True, decode=True)
        assert not [line["error"] for line in lines if "error" in line]
        yield client


@contextlib.contextmanager
def proxy(engine: docker.APIClient, **environment: str) -> Iterator[Address]:
    """Runs as in docker-compose.yml: root without a capability, on a read-only file system."""
    container: dict[str, Any] = engine.create_container(
        IMAGE,
        environment={"CALLS": "/etc/socket-proxy/traefik.calls"} | environment,
        ports=[2375],
        host_config=engine.create_host_config(
            binds=["/var/run/docker.sock:/var/run/docker.sock:ro"],
            port_bindings={2375: ("127.0.0.1", None)},
            cap_drop=["ALL"],
            read_only=True,
            security_opt=["no-new-privileges:true"],
        ),
    )
    try:
        engine.start(container["Id"])
        found = engine.inspect_container(container["Id"])["NetworkSettings"]["Ports"]["2375/tcp"]
        address = ("127.0.0.1", int(found[0]["HostPort"]))
        deadline = time.monotonic() + 10
        while not _listens(address):
            assert time.monotonic() < deadline, engine.logs(container["Id"])
        yield address
    finally:
        engine.remove_container(container["Id"], v=True, force=True)


@pytest.fixture(scope="module")
def traefiks(engine: docker.APIClient) -> Iterator[Address]:
    with proxy(engine) as address:
        yield address


@pytest.mark.parametrize(("method", "path"), PASS)
def test_traefik_may_list_inspect_and_watch(traefiks: Address, method: str, path: str) -> None:
    assert _ask(traefiks, method, path) == _ask_engine(method, path)


@pytest.mark.parametrize(("method", "path"), NEVER)
def test_traefik_may_do_nothing_else(traefiks: Address, method: str, path: str) -> None:
    assert _ask(traefiks, method, path) == REFUSED


def test_a_refusal_says_who_refused(traefiks: Address) -> None:
    """In the form of the engine's own errors, so that its clients show it."""
    with _client(traefiks) as client, pytest.raises(APIError, match="The socket proxy"):
        client.info()


def test_events_arrive_at_once(traefiks: Address, engine: docker.APIClient) -> None:
    with _client(traefiks) as client:
        events = client.events(decode=True, filters={"event": "create", "image": IMAGE})
        container = engine.create_container(IMAGE)
        try:
            started = time.monotonic()
            assert next(events)["id"] == container["Id"]
            assert time.monotonic() - started < 1
        finally:
            events.close()
            engine.remove_container(container["Id"])


def _ask(address: Address, method: str, path: str) -> int:
    """Sends the path as it is: no client may tidy it up."""
    return _status(http.client.HTTPConnection(*address, timeout=20), method, path)


def _ask_engine(method: str, path: str) -> int:
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect("/var/run/docker.sock")
    return _status(connection, method, path)


def _status(connection: http.client.HTTPConnection, method: str, path: str) -> int:
    with contextlib.closing(connection):
        connection.request(method, path)
        return connection.getresponse().status


def _client(address: Address) -> contextlib.closing[docker.APIClient]:
    return contextlib.closing(docker.APIClient(base_url=f"tcp://{address[0]}:{address[1]}"))


def _listens(address: Address) -> bool:
    try:
        return _ask(address, "GET", "/_ping") == 200
    except (OSError, http.client.HTTPException):
        return False


def test_traefik_sees_its_own_stacks_instances_alone(engine: docker.APIClient) -> None:
    """Whatever it asks for: others' containers are none of its business."""
    labels = {"distros.stack": "distros-proxy-test"}
    mine = engine.create_container(IMAGE, labels=labels)["Id"]
    other = engine.create_container(IMAGE, labels={"distros.stack": "another"})["Id"]
    try:
        with proxy(engine, ONLY_STACK="distros-proxy-test") as (host, port):
            client = docker.APIClient(f"tcp://{host}:{port}", version="1.41", timeout=10)
            began = int(time.time())
            engine.start(other)
            engine.start(mine)
            listed = client.containers(filters={"label": "distros.stack=another"})
            assert [item["Id"] for item in listed] == [mine]
            until = int(time.time()) + 1
            happened = client.events(since=began, until=until, decode=True)
            assert {event["Actor"]["ID"] for event in happened} == {mine}
            client.close()
    finally:
        for container in (mine, other):
            engine.remove_container(container, v=True, force=True)
