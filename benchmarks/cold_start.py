"""Cold start: from the click to the application's page, with no pool.

In turns: the bare engine; a POST to the API that waits, then the page, both through Traefik; and
for hello a visitor's click at JupyterHub. The shares of the stages say where the time goes.
"""

import time
from collections import Counter
from collections.abc import Iterator

from benchmarks.bare import until_right
from benchmarks.figures import Figure, median, percentile
from benchmarks.laboratory import IMAGES, Laboratory

BAR = 1.10
STAGES = ("queued", "image", "container", "booting", "checking")


def cold_start(lab: Laboratory, slug: str) -> tuple[float, dict[str, float]]:
    """Seconds from the POST to the page through Traefik, and those of each stage."""
    distribution = lab.catalog.get(slug)
    started = time.perf_counter()
    document = lab.launch(slug)
    until_right(distribution, lambda: lab.page(document, distribution.readiness.path))
    took = time.perf_counter() - started
    lab.delete(document["id"])
    return took, document["timings"]


def run(lab: Laboratory) -> Iterator[Figure]:
    lab.until_stocked()
    for image in IMAGES:
        yield from of(lab, image)


def of(lab: Laboratory, image: str) -> Iterator[Figure]:
    distribution = lab.catalog.get(image)
    reference, ours, clicks, stages = [], [], [], Counter[str]()
    for run in range(lab.runs + 1):
        bare = lab.bare_start(distribution)
        took, timings = cold_start(lab, f"cold-{image}")
        click = lab.hub.click() if lab.hub and image == "hello" else None
        if run == 0:  # all have warm caches after this one
            continue
        reference.append(bare)
        ours.append(took)
        stages.update(timings)
        if click is not None:
            clicks.append(click)
    total = stages.total()
    details = {
        "p90": percentile(ours, 0.9),
        "reference_p90": percentile(reference, 0.9),
        "stages": {stage: round(stages[stage] / total, 3) for stage in STAGES},
    }
    yield Figure(
        benchmark="cold start",
        what=f"{image}, median",
        value=median(ours),
        unit="s",
        reference=median(reference),
        against="bare engine",
        bar=BAR,
        live=lab.live,
        details=details,
    )
    if clicks:
        yield Figure(
            benchmark="cold start",
            what=f"{image}, median",
            value=median(ours),
            unit="s",
            reference=median(clicks),
            against="JupyterHub",
            bar=1,
            live=lab.live,
        )
