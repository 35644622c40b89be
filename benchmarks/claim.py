"""Claim: from the POST to the application's first byte through Traefik, out of the pool.

The POST goes over a connection that is open, as a visitor's is who has just read the front page;
the application's page over a new one, because no browser has been at that host before. Nothing is
asked twice: a page that is not the site's own at the first time fails the benchmark.

*Quiet*: the pool is full and nothing starts. *Refilling*: a claim every 0.7 s, while the ones
before are being replaced, so that starts of containers go on all the time. The bare engine's cold
start is measured in between, when nothing else starts.
"""

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from benchmarks.figures import Figure, median, percentile
from benchmarks.laboratory import IMAGES, Laboratory
from orchestrator.domain.naming import MARKER_HEADER

MEDIAN_BAR, P99_BAR, HUB_BAR = 0.10, 0.35, 0.10
CLAIMS = {"hello": 5, "dokuwiki": 3, "mediawiki": 3}  # in a row, of a full pool
PACE = 0.7  # seconds between two claims while refilling
HUB_CLICKS = 5  # at most


@dataclass(frozen=True)
class Claim:
    """Seconds from the POST to its answer, and to the page's first byte."""

    id: str
    posted: float
    seconds: float


def claim(lab: Laboratory, slug: str) -> Claim:
    path = lab.catalog.get(slug).readiness.path
    lab.api.get("/distributions")  # the connection is open
    started = time.perf_counter()
    answer = lab.api.post("/instances", json={"distribution": slug})
    posted = time.perf_counter() - started
    document = answer.json()
    if answer.status_code != 201:
        raise RuntimeError(f"{slug}: not from the pool: {answer.status_code} {document}")
    host = httpx.URL(document["url"]).netloc.decode()
    site = http.client.HTTPConnection("127.0.0.1", lab.stack.port, timeout=30)
    site.request("GET", path, headers={"Host": host, "Accept": "text/html"})
    page = site.getresponse()
    seconds = time.perf_counter() - started
    found = page.status, page.getheader(MARKER_HEADER)
    site.close()
    if found != (200, document["id"]):
        raise RuntimeError(f"{slug}: {host} answered {found}")
    return Claim(document["id"], posted, seconds)


def run(lab: Laboratory) -> Iterator[Figure]:
    for image in IMAGES:
        yield from of(lab, image)


def of(lab: Laboratory, image: str) -> Iterator[Figure]:
    distribution = lab.catalog.get(image)
    runs = lab.runs if image == "hello" else max(3, lab.runs // 2)
    reference, quiet, clicks = [], [], []
    for run in range(runs):
        lab.until_stocked()
        reference.append(lab.bare_start(distribution))
        if lab.hub and image == "hello" and run < HUB_CLICKS:
            clicks.append(lab.hub.click())
        claims = [claim(lab, image) for _ in range(CLAIMS[image])]
        quiet += [each.seconds for each in claims]
        lab.delete(*(each.id for each in claims))
    bare = median(reference)
    yield from figures(image, "quiet", quiet, bare)
    if clicks:
        yield Figure(
            "claim",
            f"{image}, quiet, median",
            median(quiet),
            "s",
            median(clicks),
            "JupyterHub",
            HUB_BAR,
        )
    if image == "hello":
        lab.until_stocked()
        yield from figures(image, "refilling", list(refilling(lab, image, 3 * runs)), bare)


def refilling(lab: Laboratory, image: str, count: int) -> Iterator[float]:
    for _ in range(count):
        found = claim(lab, image)
        yield found.seconds
        time.sleep(PACE)
        lab.delete(found.id)


def figures(image: str, when: str, sample: list[float], bare: float) -> Iterator[Figure]:
    for share, bar in ((0.5, MEDIAN_BAR), (0.99, P99_BAR)):
        name = "median" if share == 0.5 else f"99th percentile of {len(sample)}"
        yield Figure(
            "claim",
            f"{image}, {when}, {name}",
            percentile(sample, share),
            "s",
            bare,
            "bare engine's median",
            bar,
        )
