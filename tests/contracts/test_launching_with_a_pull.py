"""The service on a real engine, launching an image that only a real registry has."""

import contextlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import docker
import docker.errors
import pytest

import orchestrator.service.starter
from orchestrator.app import create_app, docker_engine
from orchestrator.catalog import Catalog, load_catalog
from orchestrator.domain.distribution import Image
from orchestrator.domain.models import Instance, Reason, Stage, State
from orchestrator.domain.naming import instance_id_of
from orchestrator.engine.base import Engine
from orchestrator.layout import address_plan
from orchestrator.service.readiness import Answer
from orchestrator.settings import ROOT
from orchestrator.store.sql import SqlStore
from orchestrator.web.services import Services

from ..registry import noise, open_tap, running_registry
from ..support import ADMIN, settings

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

STACK = "distros-pulling"
SUBNET = IPv4Network("10.225.0.0/24")
HELLO = load_catalog(ROOT / "distributions").get("hello")


class Probe:
    """Believes that a container which runs answers; there is no proxy here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ask(self, host: str, path: str) -> Answer:
        instance_id = instance_id_of(host, "sandbox.localhost")
        if instance_id is None:
            return Answer(200)
        look = await self._engine.inspect(instance_id)
        up = look is not None and look.running
        return Answer(200, marker=instance_id, text="Hello") if up else Answer(404)

    async def close(self) -> None: ...


@contextmanager
def no_network_left(client: docker.APIClient) -> Iterator[None]:
    try:
        yield
    finally:
        for item in client.containers(all=True, filters={"name": f"^/{STACK}-"}):
            client.remove_container(item["Id"], v=True, force=True)
        with contextlib.suppress(docker.errors.NotFound):
            client.remove_network(STACK)


async def test_it_tells_the_visitor_bytes_and_percent_and_then_starts(
    docker_client: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not docker_client.images(name=HELLO.image.ref):
        pytest.skip(f"{HELLO.image.ref} is not here: `distros images build hello` makes it")
    monkeypatch.setattr(orchestrator.service.starter, "PULL_NEWS", 0)  # else the last may be held
    configured = settings(tmp_path, stack=STACK, network=STACK, subnet=SUBNET)
    with running_registry(tmp_path, docker_client) as registry, no_network_left(docker_client):
        registry.push("hello", noise(2_000_000), base=HELLO.image.ref)
        async with open_tap(registry) as tap:
            await tap.turn(500_000)
            image = Image(ref=registry.ref("hello", port=tap.port))
            engine = docker_engine(configured)
            app = create_app(
                configured,
                catalog=Catalog([HELLO.model_copy(update={"image": image})]),
                engine=engine,
                store=SqlStore(configured.database_url, address_plan(configured)),
                probe=Probe(engine),
            )
            async with app.router.lifespan_context(app):
                services: Services = app.state.services
                launched = await services.launcher.launch(ADMIN, "hello")

                def under_way(now: Instance) -> bool:
                    return now.state.ended or "%" in (now.detail or "")

                pulling = await services.ledger.until(launched.id, under_way)
                assert pulling is not None
                assert pulling.stage is Stage.IMAGE
                told = pulling.detail or ""
                assert told.startswith("Fetching the image: 0.")
                assert " of 2.0 MB, " in told

                await tap.turn(math.inf)
                ready = await services.ledger.until(launched.id, lambda now: not now.state.pending)
                assert ready is not None
                assert (ready.state, ready.detail) == (State.READY, None)

                await services.leases.delete(ADMIN, launched.id)
                gone = await services.ledger.until(launched.id, lambda now: now.state.ended)
                assert gone is not None
                assert gone.reason is Reason.DELETED
