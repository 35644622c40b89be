"""What has happened, day by day (UTC), in counts that outlive the instances. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, Literal

from .measures import Timings, nearest_rank
from .models import Stage

MOST: Final = 6  # distributions that are told apart; the rest is one more
OTHERS: Final = ""  # the series of the rest


class What(StrEnum):
    LAUNCH = "launch"  # by where it came from
    ENDING = "ending"  # by reason
    SYNTHETIC = "synthetic"  # by outcome


Origin = Literal["cold", "pool"]


@dataclass(frozen=True, slots=True)
class Count:
    day: date
    distribution: str  # slug
    what: What
    key: str
    n: int


@dataclass(frozen=True, slots=True)
class Start:
    """One that succeeded. Times in seconds."""

    distribution: str
    origin: Origin
    took: float  # from its turn until it was ready
    waited: float | None  # from a visitor's click until it was ready; None for the pool's own


@dataclass(frozen=True, slots=True)
class Days:
    """Counts by day and series; every day has every series."""

    series: tuple[str, ...]  # slugs, the most frequent first; OTHERS last, where there are any
    rows: Mapping[date, Mapping[str, int]]  # oldest first

    @property
    def total(self) -> int:
        return sum(sum(row.values()) for row in self.rows.values())

    @property
    def highest(self) -> int:
        """Of any day."""
        return max((sum(row.values()) for row in self.rows.values()), default=0)


def latest(today: date, days: int) -> list[date]:
    """So many, today the last."""
    return [today - timedelta(days=back) for back in reversed(range(days))]


def launches(counts: Iterable[Count], days: Sequence[date], most: int = MOST) -> Days:
    """By distribution; those beyond the `most` frequent are one series."""
    found = [each for each in counts if each.what is What.LAUNCH and each.day in set(days)]
    totals = Counter[str]()
    for each in found:
        totals[each.distribution] += each.n
    ranked = sorted(totals, key=lambda slug: (-totals[slug], slug))
    named = ranked if len(ranked) <= most else ranked[:most]
    series = tuple(named) if len(named) == len(ranked) else (*named, OTHERS)
    rows = {day: dict.fromkeys(series, 0) for day in days}
    for each in found:
        rows[each.day][each.distribution if each.distribution in named else OTHERS] += each.n
    return Days(series, rows)


def sums(counts: Iterable[Count], what: What, days: Sequence[date]) -> dict[str, int]:
    """By key, the most frequent first."""
    found = Counter[str]()
    for each in counts:
        if each.what is what and each.day in set(days):
            found[each.key] += each.n
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def outcomes(counts: Iterable[Count], days: Sequence[date]) -> dict[date, dict[str, int]]:
    """Of the synthetic launches, by day."""
    rows: dict[date, dict[str, int]] = {day: {} for day in days}
    for each in counts:
        if each.what is What.SYNTHETIC and each.day in rows:
            row = rows[each.day]
            row[each.key] = row.get(each.key, 0) + each.n
    return rows


@dataclass(frozen=True, slots=True)
class Spread:
    """Nearest-rank percentiles, in seconds."""

    count: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How long one distribution's launches took that came from one origin."""

    distribution: str
    origin: Origin
    start: Spread  # engine and application, until it was ready
    wait: Spread | None  # the visitor; None where nobody has launched one


def speeds(starts: Iterable[Start]) -> list[Speed]:
    """By distribution, cold ones first."""
    taken: dict[tuple[str, Origin], list[Start]] = {}
    for each in starts:
        taken.setdefault((each.distribution, each.origin), []).append(each)
    return [
        Speed(
            distribution,
            origin,
            spread([each.took for each in sample]),
            spread(waits)
            if (waits := [each.waited for each in sample if each.waited is not None])
            else None,
        )
        for (distribution, origin), sample in sorted(taken.items(), key=lambda item: item[0])
    ]


def spread(sample: Sequence[float]) -> Spread:
    """Of a non-empty sample."""
    ranked = sorted(sample)
    return Spread(len(ranked), *(round(nearest_rank(ranked, each), 3) for each in (50, 95, 99)))


def took(timings: Timings) -> float:
    """Without what it waited in the queue."""
    return sum(seconds for stage, seconds in timings.items() if stage != Stage.QUEUED)
