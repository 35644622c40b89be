"""What the synthetic launches have shown: whether the whole path works, and since when.

One failure may be bad luck, and is shown. From the second in a row on `/readyz` fails. A skipped
one says nothing, and changes nothing.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import structlog

from ..domain.outages import Unavailable
from .health import Check

REMEMBERED: Final = 50  # runs
TOO_MANY: Final = 2  # failures in a row, from which on it counts

Outcome = Literal["worked", "failed", "skipped"]
Step = Literal["launch", "ready", "page", "gone"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Run:
    """One synthetic launch. `step` and `why` say where it failed, or was skipped, and why;
    `seconds` how long each step took that it came through."""

    at: datetime  # UTC
    outcome: Outcome = "worked"
    step: Step = "launch"
    why: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: Step) -> Iterator[None]:
        """A step that is come through counts with its time; one that is not stays in `step`."""
        self.step = step
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 3)


class Record:
    def __init__(self) -> None:
        self.runs: deque[Run] = deque(maxlen=REMEMBERED)  # oldest first
        self.since: datetime | None = None  # since when it works, or does not; None: not tried yet
        self.failures = 0  # in a row
        self.outcomes: Counter[Outcome] = Counter()  # since the start of the service

    @property
    def latest(self) -> Run | None:
        """The latest that was not skipped."""
        return next((run for run in reversed(self.runs) if run.outcome != "skipped"), None)

    @property
    def works(self) -> bool | None:
        """None where nobody has tried yet."""
        return None if self.since is None else self.failures == 0

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self.outcomes[run.outcome] += 1
        tell = log.warning if run.outcome == "failed" else log.info
        tell(f"synthetic launch {run.outcome}", step=run.step, why=run.why, **run.seconds)
        if run.outcome == "skipped":
            return
        worked = run.outcome == "worked"
        if self.works is not worked:
            self.since = run.at
        self.failures = 0 if worked else self.failures + 1

    def check(self) -> Check:
        run = self.latest
        if run is None or self.failures < TOO_MANY:
            return Check("launch")
        since = f"{self.since:%Y-%m-%d %H:%M} UTC"
        sentence = f"No synthetic launch has worked since {since}; the last: {run.why}"
        return Check("launch", Unavailable(sentence))
