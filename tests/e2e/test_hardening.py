"""Code in an instance gets nothing beyond it: tried on the real engine, by an image of attempts.

Instances are started by the service's own engine class, on a network of their own. What they reach
over the network is another test's.
"""

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

import docker
import docker.errors
import pytest
from pydantic import ByteSize, HttpUrl

from orchestrator.domain.addresses import AddressPlan
from orchestrator.domain.distribution import Distribution, Image, Limits
from orchestrator.domain.naming import new_instance_id
from orchestrator.engine.base import StartSpec
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.routing import Routing

from .confinement import ATTEMPTS, DOCKERFILE, SHOWN_TO_WORK, script

pytestmark = pytest.mark.timeout(120)

DOCKER_URL = "unix:///var/run/docker.sock"
SUBNET = IPv4Network("10.222.0.0/16")
ROUTING = Routing(
    stack="distros-hardening",
    domain="sandbox.test",
    network="distros-hardening",
    plan=AddressPlan(SUBNET),
)
IMAGE = "distros-hardening/attempts:1"

# Not allowed, not there, or nothing of it can be written; a full folder in memory.
DENIED = {
    errno.EPERM,
    errno.EACCES,
    errno.EROFS,
    errno.ENOSYS,
    errno.ENOENT,
    errno.ESRCH,
    errno.ENXIO,
    errno.ENOSPC,
}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.APIClient]:
    with contextlib.closing(docker.APIClient(base_url=DOCKER_URL, version="auto")) as made:
        yield made


@pytest.fixture(scope="module")
def image(client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("attempts")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "attempts.pl").write_text(script(ATTEMPTS))
    (folder / "shown.pl").write_text(script(SHOWN_TO_WORK))
    lines = client.build(path=str(folder), tag=IMAGE, rm=True, decode=True, network_mode="none")
    assert not [line["error"] for line in lines if "error" in line]
    yield IMAGE
    client.remove_image(IMAGE, force=True)


@asynccontextmanager
async def instance(image: str) -> AsyncIterator[tuple[DockerEngine, StartSpec]]:
    engine = DockerEngine(DOCKER_URL, routing=ROUTING)
    spec = StartSpec(
        instance_id=new_instance_id(),
        distribution=Distribution(
            slug="attempts",
            name="Attempts",
            summary="Tries what it must not.",
            version="1",
            homepage=HttpUrl("https://example.org"),
            category="other",
            image=Image(ref=image),
            limits=Limits(memory=ByteSize(64 * 1024**2), cpus=1.0, pids=64),
        ),
        address=SUBNET[20],
        created_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(minutes=5),
        environment={"HOST_PROCESS": str(os.getpid())},
    )
    await engine.prepare()
    try:
        await engine.start(spec)
        yield engine, spec
    finally:
        await engine.remove(spec.instance_id)
        await engine.close()


def outcomes(log: str) -> dict[str, str]:
    lines = [line.partition("\t") for line in log.splitlines()]
    return {name: outcome for name, _, outcome in lines if outcome}


@pytest.fixture(scope="module")
def found(image: str, client: docker.APIClient) -> Iterator[dict[str, str]]:
    """What came of each attempt in an instance."""

    async def attempt() -> dict[str, str]:
        async with instance(image) as (engine, spec), asyncio.timeout(60):
            while "done" not in (log := await engine.logs(spec.instance_id, tail=500)).split():
                await asyncio.sleep(0.1)
            return outcomes(log)

    yield asyncio.run(attempt())
    client.remove_network(ROUTING.network)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_it_is_denied_in_an_instance(found: dict[str, str], name: str) -> None:
    assert found[name] != "succeeded"
    assert int(found[name]) in DENIED, os.strerror(int(found[name]))


@pytest.fixture(scope="module")
def without_confinement(image: str, client: docker.APIClient) -> dict[str, str]:
    """The same where nothing is taken away and something given: root, and no seccomp."""
    name = f"{ROUTING.stack}-control"
    host = client.create_host_config(
        network_mode="none",
        cap_add=["SYS_ADMIN", "SYS_NICE", "SYS_PTRACE"],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
    )
    client.create_container(image, ["perl", "/shown.pl"], name=name, user="0", host_config=host)
    try:
        client.start(name)
        give_up = time.monotonic() + 60
        while b"done" not in (log := client.logs(name)).split():
            assert time.monotonic() < give_up, log.decode()
            time.sleep(0.1)
        return outcomes(log.decode())
    finally:
        client.remove_container(name, force=True)


@pytest.mark.parametrize("name", SHOWN_TO_WORK)
def test_it_would_succeed_without_confinement(
    without_confinement: dict[str, str], name: str
) -> None:
    assert without_confinement[name] == "succeeded"
