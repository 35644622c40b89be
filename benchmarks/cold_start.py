"""Cold start: from the click to the application's page, beside the bare engine.

Both start the same image in turns, in one run on one machine:

- *bare engine*: create, start, ask the container's own address until the page is right;
- *distros*: POST to the API and wait, then get the site's page, both through Traefik.

The ratio of the medians is the figure; the share of each stage says where the time goes.

    make bench [RUNS=20]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import docker
import httpx
from rich.console import Console
from rich.table import Table

from orchestrator.catalog import load_catalog
from orchestrator.domain.distribution import Distribution
from tests.e2e.stack import ROOT, Stack, running_stack

BAR = 1.25  # issue: at most this many times the bare engine
STAGES = ("queued", "image", "container", "booting", "checking")
POLL = 0.005  # seconds between two questions to the bare container
PATIENCE = 60  # seconds


def bare_engine(
    client: docker.APIClient, browser: httpx.Client, distribution: Distribution, network: str
) -> float:
    """Seconds from create to the right page, asked for directly."""
    started = time.perf_counter()
    host_config = client.create_host_config(
        network_mode=network,
        tmpfs={
            path: f"rw,nosuid,nodev,mode=1777,size={int(size)}"
            for path, size in distribution.tmpfs.items()
        },
    )
    container = client.create_container(
        distribution.image.ref,
        environment=dict(distribution.environment),
        host_config=host_config,
        labels={"distros.benchmark": "true"},
    )["Id"]
    try:
        client.start(container)
        state = client.inspect_container(container)
        address = state["NetworkSettings"]["Networks"][network]["IPAddress"]
        url = f"http://{address}:{distribution.port}{distribution.readiness.path}"
        until_right(distribution, lambda: browser.get(url))
        return time.perf_counter() - started
    finally:
        client.remove_container(container, force=True, v=True)


def until_right(distribution: Distribution, ask: Callable[[], httpx.Response]) -> None:
    wanted = distribution.readiness
    give_up = time.perf_counter() + PATIENCE
    while time.perf_counter() < give_up:
        try:
            page = ask()
            if page.status_code in wanted.status and (wanted.text or "") in page.text:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL)
    sys.exit(f"{distribution.slug}: no right answer within {PATIENCE} s")


def distros(
    api: httpx.Client, browser: httpx.Client, stack: Stack, distribution: Distribution
) -> tuple[float, dict[str, float]]:
    """Seconds from the POST to the site's page through Traefik, and those of each stage."""
    started = time.perf_counter()
    launched = api.post(
        "/instances",
        json={"distribution": distribution.slug},
        headers={"Prefer": f"wait={PATIENCE}"},
    )
    if launched.status_code != 201:
        sys.exit(f"{distribution.slug}: {launched.status_code} {launched.text}")
    document = launched.json()
    page = f"http://127.0.0.1:{stack.port}{distribution.readiness.path}"
    host = {"Host": httpx.URL(document["url"]).netloc.decode()}
    until_right(distribution, lambda: browser.get(page, headers=host))
    took = time.perf_counter() - started
    api.delete(f"/instances/{document['id']}").raise_for_status()
    return took, document["timings"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="starts of each kind (default 20)")
    parser.add_argument("slugs", nargs="*", default=["hello", "dokuwiki", "mediawiki"])
    options = parser.parse_args()
    catalog = load_catalog(ROOT / "distributions")
    client = docker.APIClient(version="auto", timeout=30)
    table = Table("image", "bare engine", "distros", "ratio", "bar", *STAGES)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(
            Path(folder), name="distros-bench", port=28180, subnet="10.220.0.0/16"
        ) as stack,
        stack.api() as api,
        # Made beforehand: a client takes 20 ms to load its certificates.
        httpx.Client(trust_env=False, timeout=5) as browser,
    ):
        for slug in options.slugs:
            table.add_row(*row(client, api, browser, stack, catalog.get(slug), options.runs))
    Console(width=140).print(table)
    print("Medians in seconds (90th percentile in brackets); stages as shares of launch to ready.")


def row(
    client: docker.APIClient,
    api: httpx.Client,
    browser: httpx.Client,
    stack: Stack,
    distribution: Distribution,
    runs: int,
) -> list[str]:
    network = f"{stack.name}-sandbox"
    bare, ours, stages = [], [], Counter[str]()
    for run in range(runs + 1):
        reference = bare_engine(client, browser, distribution, network)
        took, timings = distros(api, browser, stack, distribution)
        if run == 0:  # both sides have warm caches after this one
            continue
        bare.append(reference)
        ours.append(took)
        stages.update(timings)
    ratio = statistics.median(ours) / statistics.median(bare)
    total = stages.total()
    return [
        distribution.slug,
        summary(bare),
        summary(ours),
        f"{ratio:.2f}",
        f"{BAR:.2f} {'met' if ratio <= BAR else 'MISSED'}",
        *(f"{stages[stage] / total:.0%}" for stage in STAGES),
    ]


def summary(sample: list[float]) -> str:
    ninetieth = sorted(sample)[int(len(sample) * 0.9) - 1] if len(sample) > 1 else sample[0]
    return f"{statistics.median(sample):.3f} ({ninetieth:.3f})"


if __name__ == "__main__":
    main()
