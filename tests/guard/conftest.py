"""A guard before an engine that writes down what reaches it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import docker
import httpx
import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.addresses import AddressPlan
from orchestrator.domain.distribution import Distribution, TakeAway
from orchestrator.domain.naming import container_name
from orchestrator.engine.base import StartSpec
from orchestrator.engine.container import create_arguments
from orchestrator.engine.routing import Routing
from orchestrator.engine.sdk import Client
from orchestrator.guard.creation import Policy
from orchestrator.guard.service import Guard
from orchestrator.guard.upstream import Upstream

from ..support import WIKI

STACK = "distros"
ROUTING = Routing(
    STACK,
    domain="sandbox.test",
    network="distros-sandbox",
    plan=AddressPlan(IPv4Network("10.99.0.0/16"), 2, egress=IPv4Network("10.98.0.0/16")),
)
PACKED = WIKI.model_copy(
    update={
        "slug": "packed",
        "image": WIKI.image.model_copy(update={"ref": "a/packed:1"}),
        "take_away": TakeAway(paths=("/srv",), command=("take-away", "--all")),
    }
)
TOOL = WIKI.model_copy(
    update={
        "slug": "tool",
        "image": WIKI.image.model_copy(update={"ref": "a/tool:2", "build": False}),
    }
)
POLICY = Policy(ROUTING, Catalog([WIKI, TOOL, PACKED]))
ID = "abcdefghijkm"
NAME = container_name(STACK, ID)
EXECUTION = "e" * 64
OWN, FOREIGN = "0" * 64, "f" * 64

Reply = Callable[[httpx.Request], httpx.Response]


@dataclass
class Engine:
    """Two containers are on it: one of this stack's, and Portainer."""

    asked: list[httpx.Request] = field(default_factory=list)
    reply: Reply | None = None  # instead of its own
    labels: dict[str, str] = field(default_factory=dict)  # more of our container

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answer(request)
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.reply is not None:
            return self.reply(request)
        path = request.url.path.removeprefix("/v1.41")
        for container, name, labels in (
            (OWN, NAME, {"distros.managed": "true", "distros.stack": STACK} | self.labels),
            (FOREIGN, "portainer", None),
        ):
            if path in (f"/containers/{container}/json", f"/containers/{name}/json"):
                return httpx.Response(200, json={"Id": container, "Config": {"Labels": labels}})
        if path == "/containers/create":
            return httpx.Response(201, json={"Id": "1" * 64, "Warnings": []})
        if path.endswith("/exec"):
            return httpx.Response(201, json={"Id": EXECUTION})
        if path.startswith("/containers/none"):
            return httpx.Response(404, json={"message": "No such container"})
        return httpx.Response(200, json={})

    @property
    def calls(self) -> list[str]:
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.asked]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def guard(engine: Engine) -> Guard:
    return Guard(POLICY, Upstream(httpx.MockTransport(engine.answer)))


@pytest.fixture
def guarded(guard: Guard) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(guard), base_url="http://guard", timeout=10
    )


@pytest.fixture
def document() -> dict[str, Any]:
    """What the orchestrator sends to create an instance, as Docker's SDK writes it."""
    return written()


def written(distribution: Distribution = WIKI, address: str = "10.99.0.17") -> dict[str, Any]:
    sent: dict[str, Any] = {}

    class Writing(Client):
        def __init__(self) -> None:
            docker.APIClient.__init__(self, version="1.41")

        def send(self, request: Any, **_: Any) -> Any:
            sent.update(json.loads(request.body))
            raise ConnectionAbortedError

    spec = StartSpec(
        ID,
        distribution,
        IPv4Address(address),
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        expires_at=datetime(2026, 11, 23, tzinfo=UTC),
        environment={"ADMIN_PASSWORD": "secret"},
    )
    client = Writing()
    with pytest.raises(ConnectionAbortedError):
        client.create_container(**create_arguments(client, ROUTING, spec, "33:33"))
    client.close()
    return sent
