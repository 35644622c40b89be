"""The machines on which the engine contract runs: one in memory, one real Docker Engine.

A `Lab` hands out engines of one machine and does what no engine offers: makes a container crash,
removes one behind the service's back, looks at it from outside.
"""

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Protocol, TypeVar

import docker
import docker.errors
import pytest
from pydantic import ByteSize, HttpUrl

from orchestrator.domain.addresses import RESERVED_ADDRESSES, AddressPlan
from orchestrator.domain.distribution import Distribution, Image, Limits
from orchestrator.domain.naming import container_name, new_instance_id
from orchestrator.engine.base import Engine, StartSpec
from orchestrator.engine.container import CPU_SHARES, RESTRAINED_CPU_SHARES, create_arguments
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.fake import FakeEngine
from orchestrator.engine.fake_host import FakeContainer, FakeHost, Program
from orchestrator.engine.routing import Routing
from orchestrator.engine.sdk import Client

T = TypeVar("T")

DOCKER_URL = "unix:///var/run/docker.sock"
SUBNET = IPv4Network("10.216.0.0/16")
ROUTING = Routing(
    stack="distros-contract",
    domain="sandbox.test",
    network="distros-contract",
    plan=AddressPlan(SUBNET),
)
NEIGHBOUR = dataclasses.replace(ROUTING, stack="distros-contract-2")
IMAGE = "distros-contract/probe:1"
REFUSED_IMAGE = "distros-contract/refused:1"
PATIENCE = 20.0  # seconds; a test that waits for longer has failed
CREATED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

# Crashes with 3 at SIGUSR1, fills its memory at SIGUSR2; has a volume, and a health check that
# must not count. It says "ready" only once its traps are set.
DOCKERFILE = """\
FROM debian:trixie-slim
VOLUME /data
HEALTHCHECK CMD false
USER 65534:65534
CMD ["sh", "-c", "trap 'exit 3' USR1; trap 'exec tail /dev/zero' USR2; \\
printf 'greeting \\\\033[31m%s\\\\033[0m\\\\r\\\\n' \\"$GREETING\\"; echo ready >&2; \\
while :; do sleep 0.05; done"]
"""


class Lab(Protocol):
    @property
    def engine(self) -> Engine: ...

    @property
    def neighbour(self) -> Engine:
        """Another stack's, on the same machine."""

    async def crash(self, instance_id: str) -> int:
        """Returns the exit code to be expected."""

    async def exhaust_memory(self, instance_id: str) -> None: ...

    async def has_greeted(self, instance_id: str) -> None:
        """Returns once "greeting hello" and "ready" are in its log."""

    async def remove_outside(self, instance_id: str) -> None: ...

    async def pause(self, instance_id: str) -> None: ...

    async def rename(self, instance_id: str, to: str) -> None: ...

    async def create(self, name: str, labels: dict[str, str]) -> None:
        """A container made by hand, and never started."""

    async def create_without_starting(self, spec: StartSpec) -> None:
        """As a service leaves it that was killed in between."""

    async def squat(self, instance_id: str) -> None:
        """Somebody else's container, under the name that this instance's would have."""

    async def labels(self, instance_id: str) -> dict[str, str]: ...

    async def squatters(self) -> int: ...

    async def is_restrained(self, instance_id: str) -> bool: ...


async def eventually(question: Callable[[], Awaitable[T]], accept: Callable[[T], bool]) -> T:
    """Asks until the answer is accepted; returns it."""
    async with asyncio.timeout(PATIENCE):
        while not accept(answer := await question()):
            await asyncio.sleep(0.02)
    return answer


_addresses = itertools.count(RESERVED_ADDRESSES)


def make_spec(**changes: Any) -> StartSpec:
    """A new instance of the probe; `changes` are those of its distribution."""
    distribution = Distribution(
        slug="probe",
        name="Probe",
        summary="Does as it is told.",
        version="1",
        homepage=HttpUrl("https://example.org"),
        category="other",
        image=Image(ref=IMAGE),
        tmpfs={"/data": ByteSize(1024**2)},
        limits=Limits(memory=ByteSize(32 * 1024**2), cpus=0.5, pids=64),
    )
    return StartSpec(
        instance_id=new_instance_id(),
        distribution=distribution.model_copy(update=changes),
        address=SUBNET[next(_addresses)],
        created_at=CREATED_AT,
        expires_at=CREATED_AT + timedelta(minutes=40),
        environment={"GREETING": "hello"},
    )


class FakeLab:
    def __init__(self) -> None:
        self.host = FakeHost()
        self.host.images = {IMAGE: {}, REFUSED_IMAGE: {"traefik.enable": "true"}}
        self.host.programs = {
            ("printf", "hello"): Program([b"hel", b"lo"]),
            ("false",): Program(status=1),
        }
        self.engine = FakeEngine(ROUTING, host=self.host)
        self.neighbour = FakeEngine(NEIGHBOUR, host=self.host)

    async def crash(self, instance_id: str) -> int:
        await self.host.crash(self._name(instance_id), exit_code=3)
        return 3

    async def exhaust_memory(self, instance_id: str) -> None:
        await self.host.crash(self._name(instance_id), exit_code=137, out_of_memory=True)

    async def has_greeted(self, instance_id: str) -> None:
        self.host.say(self._name(instance_id), "greeting hello", "ready")

    async def remove_outside(self, instance_id: str) -> None:
        await self.host.remove_outside(self._name(instance_id))

    async def pause(self, instance_id: str) -> None:
        await self.host.pause(self._name(instance_id))

    async def rename(self, instance_id: str, to: str) -> None:
        await self.host.rename(self._name(instance_id), to)

    async def create(self, name: str, labels: dict[str, str]) -> None:
        self.host.containers[name] = FakeContainer(labels=dict(labels))

    async def create_without_starting(self, spec: StartSpec) -> None:
        await self.engine.start(spec)
        self.host.containers[self._name(spec.instance_id)].running = False

    async def squat(self, instance_id: str) -> None:
        self.host.containers[self._name(instance_id)] = FakeContainer()

    async def labels(self, instance_id: str) -> dict[str, str]:
        return self.host.containers[self._name(instance_id)].labels

    async def squatters(self) -> int:
        return sum(not one.labels for one in self.host.containers.values())

    async def is_restrained(self, instance_id: str) -> bool:
        return self.host.containers[self._name(instance_id)].restrained

    def _name(self, instance_id: str) -> str:
        return container_name(ROUTING.stack, instance_id)


class DockerLab:
    def __init__(self, client: docker.APIClient) -> None:
        self.client = client
        self.engine = DockerEngine(DOCKER_URL, routing=ROUTING)
        self.neighbour = DockerEngine(DOCKER_URL, routing=NEIGHBOUR)

    async def crash(self, instance_id: str) -> int:
        await self._signal(instance_id, "SIGUSR1")
        return 3

    async def exhaust_memory(self, instance_id: str) -> None:
        await self._signal(instance_id, "SIGUSR2")

    async def has_greeted(self, instance_id: str) -> None:
        await eventually(lambda: self.engine.logs(instance_id), lambda log: "ready" in log)

    async def remove_outside(self, instance_id: str) -> None:
        name = container_name(ROUTING.stack, instance_id)
        await asyncio.to_thread(self.client.remove_container, name, v=True, force=True)

    async def pause(self, instance_id: str) -> None:
        name = container_name(ROUTING.stack, instance_id)
        await asyncio.to_thread(self.client.pause, name)

    async def rename(self, instance_id: str, to: str) -> None:
        name = container_name(ROUTING.stack, instance_id)
        await asyncio.to_thread(self.client.rename, name, to)

    async def create(self, name: str, labels: dict[str, str]) -> None:
        await asyncio.to_thread(self.client.create_container, IMAGE, name=name, labels=labels)

    async def create_without_starting(self, spec: StartSpec) -> None:
        with contextlib.closing(Client(DOCKER_URL, timeout=30)) as client:
            arguments = create_arguments(client, ROUTING, spec, "65534:65534")
            await asyncio.to_thread(client.create_container, **arguments)

    async def squat(self, instance_id: str) -> None:
        name = container_name(ROUTING.stack, instance_id)
        await asyncio.to_thread(
            self.client.create_container, IMAGE, name=name, labels={"of": "somebody else"}
        )

    async def labels(self, instance_id: str) -> dict[str, str]:
        return (await self.inspect(instance_id))["Config"]["Labels"]  # type: ignore[no-any-return]

    async def squatters(self) -> int:
        filters = {"label": "of=somebody else"}
        found = await asyncio.to_thread(self.client.containers, all=True, filters=filters)
        return len(found)

    async def is_restrained(self, instance_id: str) -> bool:
        shares = (await self.inspect(instance_id))["HostConfig"]["CpuShares"]
        return {RESTRAINED_CPU_SHARES: True, CPU_SHARES: False}[shares]

    async def inspect(self, instance_id: str) -> dict[str, Any]:
        name = container_name(ROUTING.stack, instance_id)
        return await asyncio.to_thread(self.client.inspect_container, name)

    async def _signal(self, instance_id: str, signal: str) -> None:
        await self.has_greeted(instance_id)  # by then its traps are set
        name = container_name(ROUTING.stack, instance_id)
        await asyncio.to_thread(self.client.kill, name, signal)


@pytest.fixture(scope="session")
def docker_client() -> Any:
    with contextlib.closing(docker.APIClient(base_url=DOCKER_URL, version="auto")) as client:
        yield client


@pytest.fixture(scope="session")
def docker_images(docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The probe, and the probe with a label that no image may have; removed afterwards."""
    recipes = {IMAGE: DOCKERFILE, REFUSED_IMAGE: f"FROM {IMAGE}\nLABEL traefik.enable=true\n"}
    for ref, recipe in recipes.items():
        folder: Path = tmp_path_factory.mktemp("image")
        (folder / "Dockerfile").write_text(recipe)
        lines = docker_client.build(path=str(folder), tag=ref, rm=True, decode=True)
        errors = [line["error"] for line in lines if "error" in line]
        assert not errors
    yield
    made = docker_client.images(filters={"reference": "distros-contract/*"})
    for image in sorted(made, key=lambda image: IMAGE in image["RepoTags"]):  # the parent last
        docker_client.remove_image(image["Id"], force=True)


@asynccontextmanager
async def docker_lab(client: docker.APIClient) -> AsyncIterator[DockerLab]:
    lab = DockerLab(client)
    await lab.engine.prepare()
    try:
        yield lab
    finally:
        await asyncio.to_thread(_clean_up, client)
        await lab.engine.close()
        await lab.neighbour.close()


def _clean_up(client: docker.APIClient) -> None:
    for item in client.containers(all=True, filters={"name": f"^/{ROUTING.stack}-"}):
        with contextlib.suppress(docker.errors.APIError):
            client.remove_container(item["Id"], v=True, force=True)
    with contextlib.suppress(docker.errors.NotFound):
        client.remove_network(ROUTING.network)


@pytest.fixture(params=["fake", "docker"])
async def lab(request: pytest.FixtureRequest) -> AsyncGenerator[Lab, None]:
    if request.param == "fake":
        yield FakeLab()
        return
    request.getfixturevalue("docker_images")
    async with docker_lab(request.getfixturevalue("docker_client")) as made:
        yield made


@pytest.fixture
async def real(docker_images: None, docker_client: docker.APIClient) -> AsyncIterator[DockerLab]:
    """For what only a real engine can show."""
    async with docker_lab(docker_client) as made:
        yield made
