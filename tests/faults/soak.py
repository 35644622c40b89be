"""Full rate for as long as one likes: launches without a pause, short lifetimes, and a look at the
process every few seconds.

Visitors launch as soon as there is room, look at their site through Traefik, and mostly let it end
by itself; some renew it once, some delete it.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any

import httpx

from .service import eventually, page
from .stand import Stand

VISITORS = 12
CAPACITY = 40  # more than can be started while one lives
LIFETIME = 10  # seconds; the shortest that there is
WARM_UP_SHARE = 0.25  # of the samples, for which nothing is judged
ROWS = 30  # of the table

# What a flat line may rise by, over all that is judged.
MEMORY_RISES = 0.10  # of its mean
DESCRIPTORS_RISE = 6
THREADS_RISE = 6


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: float
    memory: float  # MiB that are the process's own
    descriptors: int
    threads: int
    live: int  # containers
    launched: int
    refused: int


@dataclass
class Soak:
    stand: Stand
    samples: list[Sample] = field(default_factory=list)
    launched: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)  # what no visitor should have seen
    _numbers: Iterator[int] = field(default_factory=count)
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(self, seconds: float, *, every: float) -> None:
        started = time.monotonic()
        with ThreadPoolExecutor(VISITORS) as threads:
            visits = [threads.submit(self._visit) for _ in range(VISITORS)]
            while (passed := time.monotonic() - started) < seconds:
                self.samples.append(self._look(passed))
                time.sleep(every)
            self._ending.set()
            for visit in visits:
                visit.result()

    def _look(self, seconds: float) -> Sample:
        service = self.stand.service
        return Sample(
            seconds=seconds,
            memory=service.memory() / 1024**2,
            descriptors=service.descriptors(),
            threads=service.threads(),
            live=len(self.stand.engine.containers()),
            launched=self.launched,
            refused=self.refused,
        )

    def _visit(self) -> None:
        while not self._ending.is_set():
            answer = self.stand.ask(wait=60, lifetime=LIFETIME)
            if answer.status_code == 503:
                self.refused += 1
                self._ending.wait(min(1.0, float(answer.headers["Retry-After"])))
            elif answer.status_code == 201:
                self.launched += 1
                self._enjoy(answer.json())
            else:
                self.broken.append(f"{answer.status_code}: {answer.text}")

    def _enjoy(self, site: dict[str, Any]) -> None:
        number = next(self._numbers)
        try:
            seen = page(site["url"])
            if (seen.status_code, "Hello" in seen.text) != (200, True):
                self.broken.append(f"{site['id']}: the page says {seen.status_code}")
            if number % 10 == 0:
                self.stand.renew(site["id"])
            if number % 4 == 0:
                self.stand.delete(site["id"])
        except httpx.HTTPError as error:
            self.broken.append(f"{site['id']}: {error!r}")

    # -- what it shows ---------------------------------------------------------------------------

    def table(self) -> str:
        names = [each.name for each in fields(Sample)]
        step = max(1, len(self.samples) // ROWS)
        lines = ["  ".join(f"{name:>11}" for name in names)]
        for sample in self.samples[::step]:
            values = (getattr(sample, name) for name in names)
            lines.append("  ".join(f"{value:>11.{_digits(value)}f}" for value in values))
        return "\n".join(lines)

    def rise(self, of: Callable[[Sample], float]) -> float:
        """By how much the line that fits best rises, from the end of the warm-up on."""
        judged = self.samples[int(len(self.samples) * WARM_UP_SHARE) :]
        moments = [each.seconds for each in judged]
        line = statistics.linear_regression(moments, [of(each) for each in judged])
        return line.slope * (moments[-1] - moments[0])

    def mean_memory(self) -> float:
        return statistics.mean(each.memory for each in self.samples)

    def until_over(self) -> None:
        """Every lease has ended."""
        eventually(lambda: not self.stand.engine.containers(), "all leases end", within=90)


def _digits(value: float) -> int:
    return 0 if isinstance(value, int) else 1
