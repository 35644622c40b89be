"""Code execution in the web process: what a real Docker Engine does not do for it."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from docker import APIClient

from ..guard.test_creation import ESCAPES
from .stack import Stack, docker

# Runs in the orchestrator's container: each call's status and message.
ASK = """
import json, sys, urllib.request
def ask(method, path, body):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    url = "http://socket-guard:2375" + path
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
print(json.dumps([ask(*each) for each in json.load(sys.stdin)]))
"""

Asked = tuple[str, str, dict[str, Any] | None]


def ask(stack: Stack, *calls: Asked) -> list[tuple[int, str]]:
    answers = docker(
        *("exec", "--interactive", f"{stack.name}-orchestrator-1", "python3", "-c", ASK),
        given=json.dumps(calls),
    )
    return [(status, text) for status, text in json.loads(answers)]


@pytest.fixture(scope="module")
def document(stack: Stack) -> dict[str, Any]:
    """What creates an instance on this stack, made by the orchestrator's own code."""
    made = docker(
        *("exec", f"{stack.name}-orchestrator-1", "python3", "-c"),
        """
import json, docker
from datetime import datetime, timedelta, UTC
from orchestrator.catalog import load_catalog
from orchestrator.engine.base import StartSpec
from orchestrator.engine.container import create_arguments
from orchestrator.engine.sdk import Client
from orchestrator.layout import routing
from orchestrator.settings import load_settings
settings = load_settings()
where = routing(settings)
class Writing(Client):
    def _post_json(self, url, data=None, **_):
        print(json.dumps(data))
        raise SystemExit
client = Writing(settings.docker_url, timeout=10)
now = datetime.now(UTC)
hello = load_catalog(settings.distributions_dir).get("hello")
address, end = where.plan.bridges[0][-10], now + timedelta(minutes=1)
spec = StartSpec("abcdefghijkm", hello, address, now, end, {})
client.create_container(**create_arguments(client, where, spec, "65534:65534"))
""",
    )
    found: dict[str, Any] = json.loads(made)
    return found


@pytest.fixture
def bystander() -> Iterator[str]:
    """A container of somebody else."""
    container = docker("create", "--label", "of=somebody else", "distros/hello:1").strip()
    yield container
    docker("rm", "--force", "--volumes", container)


def test_every_escape_is_refused(stack: Stack, document: dict[str, Any]) -> None:
    name = stack.container("abcdefghijkm")
    calls: list[Asked] = []
    for change in ESCAPES.values():
        changed = json.loads(json.dumps(document))
        change(changed)
        calls.append(("POST", f"/v1.41/containers/create?name={name}", changed))
    answers = dict(zip(ESCAPES, ask(stack, *calls), strict=True))
    assert {what for what, (status, _) in answers.items() if status != 403} == set()
    assert "The socket guard refuses this call" in answers["privileged"][1]
    assert docker("ps", "--all", "--quiet", "--filter", f"name={name}") == ""


def test_the_document_itself_is_one_that_passes(stack: Stack, document: dict[str, Any]) -> None:
    """So that what was refused was refused for its escape."""
    name = stack.container("abcdefghijkm")
    ((status, text),) = ask(stack, ("POST", f"/containers/create?name={name}", document))
    assert status == 201, text
    container = json.loads(text)["Id"]
    inspected = json.loads(docker("inspect", container))[0]["HostConfig"]
    assert not inspected["Privileged"] and inspected["CapDrop"] == ["ALL"]
    assert ask(stack, ("DELETE", f"/containers/{container}?force=true&v=true", None))[0][0] == 204


def test_others_containers_are_neither_seen_nor_changed(stack: Stack, bystander: str) -> None:
    portless = f"{stack.name}-socket-guard-1"
    answers = ask(
        stack,
        *(
            call
            for container in (bystander, portless)
            for call in (
                ("GET", f"/containers/{container}/json", None),
                ("GET", f"/containers/{container}/logs?stdout=1", None),
                ("POST", f"/containers/{container}/start", None),
                ("POST", f"/containers/{container}/exec", {"Cmd": ["id"]}),
                ("DELETE", f"/containers/{container}?force=true", None),
            )
        ),
    )
    assert [status for status, _ in answers] == [404, 404, 403, 403, 403] * 2
    assert docker("inspect", "--format", "{{.State.Status}}", bystander).strip() == "created"
    ((_, listed),) = ask(stack, ("GET", "/containers/json?all=1", None))
    assert bystander not in listed and portless not in listed


def test_an_exec_that_the_guard_has_not_created_is_not_touched(stack: Stack) -> None:
    """An admin's shell in the orchestrator's own container."""
    with contextlib.closing(APIClient(version="auto")) as client:
        made = client.exec_create(f"{stack.name}-orchestrator-1", ["sleep", "1"], tty=True)["Id"]
    answers = ask(
        stack,
        ("POST", f"/exec/{made}/start", {"Detach": False, "Tty": True}),
        ("POST", f"/exec/{made}/start", {"Detach": True, "Tty": False}),
        ("POST", f"/exec/{made}/resize?h=24&w=80", None),
        ("GET", f"/exec/{made}/json", None),
    )
    assert [status for status, _ in answers] == [403] * 4


def test_the_images_that_the_stack_starts_from_are_not_replaced(stack: Stack) -> None:
    answers = ask(
        stack,
        ("POST", "/build?t=debian:trixie-slim", {}),
        ("POST", "/build?t=distros-orchestrator", {}),
        ("POST", "/images/create?fromImage=debian&tag=trixie-slim", {}),
        ("DELETE", "/images/debian:trixie-slim", None),
    )
    assert [status for status, _ in answers] == [403] * 4
