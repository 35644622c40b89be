"""The reference: the bare engine, asked for the same images directly and without any limits.

*A start*: create, start, ask the container's own address every 5 ms until the page is right.
*Its best*: the same by as many threads as make it fastest, each with a connection of its own.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import docker
import httpx

from orchestrator.domain.distribution import Distribution

POLL = 0.005  # seconds between two questions to the container
PATIENCE = 60  # seconds
CONCURRENCIES = (1, 2, 3, 4, 6, 8)
LABEL = "distros.benchmark"

_local = threading.local()


@dataclass(frozen=True)
class Best:
    """Seconds for all of them, at the best of the concurrencies that were tried."""

    seconds: float
    concurrency: int
    tried: dict[int, float]

    @classmethod
    def of(cls, tried: dict[int, float]) -> "Best":
        best = min(tried, key=lambda concurrency: tried[concurrency])
        return cls(tried[best], best, tried)


def engine() -> docker.APIClient:
    """This thread's own."""
    if not hasattr(_local, "engine"):
        _local.engine = docker.APIClient(version="auto", timeout=PATIENCE)
    client: docker.APIClient = _local.engine
    return client


def start(browser: httpx.Client, distribution: Distribution, network: str) -> str:
    """Returns the container's id once the page is right."""
    client = engine()
    host_config = client.create_host_config(network_mode=network)
    container: str = client.create_container(
        distribution.image.ref,
        environment=dict(distribution.environment),
        host_config=host_config,
        labels={LABEL: network},
    )["Id"]
    client.start(container)
    state = client.inspect_container(container)
    address = state["NetworkSettings"]["Networks"][network]["IPAddress"]
    url = f"http://{address}:{distribution.port}{distribution.readiness.path}"
    until_right(distribution, lambda: browser.get(url))
    return container


def bare_engine(browser: httpx.Client, distribution: Distribution, network: str) -> float:
    """Seconds of one start; the container is gone afterwards."""
    started = time.perf_counter()
    container = start(browser, distribution, network)
    seconds = time.perf_counter() - started
    remove(container)
    return seconds


def start_many(
    browser: httpx.Client, distribution: Distribution, network: str, count: int, concurrency: int
) -> tuple[float, list[str]]:
    """Seconds until all pages have been right, and the containers."""
    with ThreadPoolExecutor(concurrency) as threads:
        list(threads.map(lambda _: engine(), range(concurrency)))
        started = time.perf_counter()
        containers = list(
            threads.map(lambda _: start(browser, distribution, network), range(count))
        )
        return time.perf_counter() - started, containers


def best_of_starts(
    browser: httpx.Client,
    distribution: Distribution,
    network: str,
    count: int,
    concurrencies: Sequence[int] = CONCURRENCIES,
) -> Best:
    tried = {}
    for concurrency in concurrencies:
        seconds, containers = start_many(browser, distribution, network, count, concurrency)
        tried[concurrency] = seconds
        remove_many(containers, 4)
    return Best.of(tried)


def remove(container: str) -> None:
    engine().remove_container(container, force=True, v=True)


def remove_many(containers: Iterable[str], concurrency: int) -> float:
    """Seconds."""
    with ThreadPoolExecutor(concurrency) as threads:
        list(threads.map(lambda _: engine(), range(concurrency)))
        started = time.perf_counter()
        list(threads.map(remove, containers))
        return time.perf_counter() - started


def remove_leftovers(network: str) -> None:
    """Of a run that was broken off, too."""
    left = engine().containers(all=True, quiet=True, filters={"label": f"{LABEL}={network}"})
    remove_many([each["Id"] for each in left], 4)


def until_right(distribution: Distribution, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Asks every few milliseconds until the page is as the distribution's readiness wants it."""
    wanted = distribution.readiness
    give_up = time.perf_counter() + PATIENCE
    while time.perf_counter() < give_up:
        try:
            page = ask()
            if page.status_code in wanted.status and (wanted.text or "") in page.text:
                return page
        except httpx.TransportError:
            pass
        time.sleep(POLL)
    raise RuntimeError(f"{distribution.slug}: no right answer within {PATIENCE} s")
