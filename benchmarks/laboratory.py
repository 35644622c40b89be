"""What every benchmark gets: a stack of its own, the bare engine's network, clients, the catalogue.

The stack is that of `make up`, with the differences that `overlay.py` writes.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.types import IPAMConfig, IPAMPool

from benchmarks import bare
from benchmarks.jupyterhub.peer import Hub
from benchmarks.overlay import COLD_REPOSITORY, IMAGES, NAME, overlay
from orchestrator.catalog import Catalog, load_catalog
from orchestrator.domain.distribution import Distribution
from tests.e2e.stack import ROOT, Stack, running_stack

__all__ = ["IMAGES", "NAME", "Laboratory", "laboratory"]

SUBNET = "10.220.0.0/17"
BARE_NETWORK, BARE_SUBNET = f"{NAME}-bare", "10.220.128.0/17"
POOLS = {"hello": 10, "dokuwiki": 5, "mediawiki": 5}
FILLERS = 6  # launches asked for at once while filling


@dataclass
class Laboratory:
    """`runs`: of each kind; `live`: how many instances the filling has brought up."""

    stack: Stack
    folder: Path
    engine: docker.APIClient
    api: httpx.Client
    browser: httpx.Client
    catalog: Catalog
    runs: int
    pools: dict[str, int]
    hub: Hub | None = None
    filling: list[str] = field(default_factory=list)

    @property
    def live(self) -> int:
        return len(self.filling)

    @property
    def network(self) -> str:
        return BARE_NETWORK

    def container(self, service: str) -> str:
        return f"{NAME}-{service}-1"

    def address(self, service: str) -> str:
        """Changes when the container is started again."""
        found = self.engine.inspect_container(self.container(service))
        networks = found["NetworkSettings"]["Networks"]
        names = sorted(networks, key=lambda name: not name.endswith("_edge"))
        return str(networks[names[0]]["IPAddress"])

    def bare_start(self, distribution: Distribution) -> float:
        return bare.bare_engine(self.browser, distribution, self.network)

    def launch(self, slug: str, *, wait: int = 120, **body: Any) -> dict[str, Any]:
        """Raises where it is not ready in the end."""
        answer = self.api.post(
            "/instances",
            json={"distribution": slug} | body,
            headers={"Prefer": f"wait={wait}"},
        )
        if answer.status_code != 201:
            raise RuntimeError(f"{slug}: {answer.status_code} {answer.text}")
        document: dict[str, Any] = answer.json()
        return document

    def delete(self, *ids: str) -> None:
        """Returns once they are gone."""
        with ThreadPoolExecutor(4) as threads:
            for answer in threads.map(lambda each: self.api.delete(f"/instances/{each}"), ids):
                answer.raise_for_status()

    def page(self, document: dict[str, Any], path: str = "/") -> httpx.Response:
        """The instance's page through Traefik."""
        host = {"Host": httpx.URL(document["url"]).netloc.decode()}
        return self.browser.get(f"http://127.0.0.1:{self.stack.port}{path}", headers=host)

    def until_stocked(self) -> None:
        """All pools are full and nothing starts."""
        give_up = time.monotonic() + 180
        while time.monotonic() < give_up:
            pools = self.api.get("/pool").raise_for_status().json()["pool"]
            wanted = {each["distribution"]: each for each in pools}
            if all(
                wanted.get(slug, {}).get("ready") == size and not wanted[slug]["starting"]
                for slug, size in self.pools.items()
            ):
                return
            time.sleep(0.2)
        raise RuntimeError(f"the pools do not get full: {pools}")

    def fill(self, live: int) -> float:
        """Until so many run that are neither the pool's nor a benchmark's; seconds."""
        started = time.perf_counter()
        with ThreadPoolExecutor(FILLERS) as threads:
            launches = [
                threads.submit(self.launch, "cold-hello", lifetime=4 * 3600)
                for _ in range(live - self.live)
            ]
            self.filling += [each.result()["id"] for each in launches]
        return time.perf_counter() - started


@contextmanager
def laboratory(
    folder: Path, *, runs: int, live: int = 0, pools: dict[str, int] | None = None
) -> Iterator[Laboratory]:
    """Up, with these pools, and room for `live` instances beside the benchmarks' own."""
    pools = pools or {}
    overlay(folder)
    engine = bare.engine()
    with ExitStack() as leaving:
        leaving.enter_context(tagged_once_more(engine))
        settings = {"COMPOSE_FILE": f"{ROOT}/docker-compose.yml:{folder}/compose.yml"}
        leaving.enter_context(environment(settings))
        stack = leaving.enter_context(
            running_stack(
                folder,
                name=NAME,
                port=28180,
                subnet=SUBNET,
                DISTROS_CAPACITY=str(live + 200),
                DISTROS_QUEUE_LIMIT="100",
                DISTROS_POOL_LIMIT=str(sum(pools.values())),
                DISTROS_POOLS=",".join(f"{slug}={size}" for slug, size in pools.items()),
                DISTROS_BRING_IMAGES="false",
                DISTROS_DISTRIBUTIONS_DIR=str(folder / "distributions"),
            )
        )
        leaving.enter_context(bare_network(engine))
        api = leaving.enter_context(stack.api())
        api.timeout = httpx.Timeout(180)
        # Made beforehand: a client takes 20 ms to load its certificates.
        browser = leaving.enter_context(httpx.Client(trust_env=False, timeout=5))
        catalog = load_catalog(folder / "distributions")
        yield Laboratory(stack, folder, engine, api, browser, catalog, runs, pools)


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """For the stack's scripts and Compose."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def tagged_once_more(engine: docker.APIClient) -> Iterator[None]:
    catalog = load_catalog(ROOT / "distributions")
    for slug in IMAGES:
        engine.tag(catalog.get(slug).image.ref, COLD_REPOSITORY, slug)
    try:
        yield
    finally:
        for slug in IMAGES:
            engine.remove_image(f"{COLD_REPOSITORY}:{slug}", noprune=True)


@contextmanager
def bare_network(engine: docker.APIClient) -> Iterator[None]:
    """The bare engine's containers have one of their own, so that no address is given out twice."""
    bare.remove_leftovers(BARE_NETWORK)
    for left in engine.networks(names=[BARE_NETWORK]):
        engine.remove_network(left["Id"])
    engine.create_network(
        BARE_NETWORK,
        driver="bridge",
        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=BARE_SUBNET)]),
    )
    try:
        yield
    finally:
        bare.remove_leftovers(BARE_NETWORK)
        engine.remove_network(BARE_NETWORK)
