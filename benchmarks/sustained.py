"""Sustained: how many cold launches a second, asked for all at once.

The reference is the bare engine with whichever concurrency makes it fastest. Ours is the median of
three rounds, each from the first POST to the last site's page through Traefik.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bare import best_of_starts, until_right
from benchmarks.figures import Figure, median
from benchmarks.laboratory import Laboratory

BAR = 0.9
ROUNDS = 3
SLUG = "cold-hello"


def run(lab: Laboratory) -> Iterator[Figure]:
    count = min(24, 4 * lab.runs)
    lab.until_stocked()
    best = best_of_starts(lab.browser, lab.catalog.get(SLUG), lab.network, count)
    ours = [one_round(lab, count) for _ in range(ROUNDS)]
    yield Figure(
        "sustained",
        f"launches a second, {count} at once",
        count / median(ours),
        "/s",
        count / best.seconds,
        f"bare engine, {best.concurrency} at a time",
        BAR,
        better="more",
        details={
            "rounds": [count / each for each in ours],
            "bare_by_concurrency": {key: count / each for key, each in best.tried.items()},
        },
    )


def one_round(lab: Laboratory, count: int) -> float:
    """Seconds."""
    distribution = lab.catalog.get(SLUG)

    def launch() -> str:
        document = lab.launch(SLUG)
        until_right(distribution, lambda: lab.page(document))
        return str(document["id"])

    with ThreadPoolExecutor(count) as threads:
        started = time.perf_counter()
        launches = [threads.submit(launch) for _ in range(count)]
        ids = [each.result() for each in launches]
        took = time.perf_counter() - started
    lab.delete(*ids)
    return took
