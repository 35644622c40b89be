"""What has been measured, in figures that one can tell people. Times in seconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .models import Stage


@dataclass(frozen=True, slots=True)
class Percentiles:
    count: int
    p50: float
    p90: float
    p99: float


def percentiles(sample: Sequence[float]) -> Percentiles:
    """Nearest-rank percentiles of a non-empty sample."""
    ranked = sorted(sample)
    p50, p90, p99 = (round(nearest_rank(ranked, each), 3) for each in (50, 90, 99))
    return Percentiles(count=len(ranked), p50=p50, p90=p90, p99=p99)


def nearest_rank(ranked: Sequence[float], percent: int) -> float:
    """Of a sorted, non-empty sample."""
    return ranked[max(0, -(-len(ranked) * percent // 100) - 1)]


Timings = Mapping[str, float]  # stage → seconds spent in it, as an instance carries them


@dataclass(frozen=True, slots=True)
class Startup:
    """How long a distribution's starts take, once it is their turn."""

    total: Percentiles
    stages: Mapping[str, Percentiles]


def startup(starts: Iterable[Timings]) -> Startup | None:
    """None where nothing has been measured. What a launch waited in the queue does not count."""
    taken = [{key: time for key, time in each.items() if key != Stage.QUEUED} for each in starts]
    taken = [each for each in taken if each]
    if not taken:
        return None
    stages = {
        stage.value: percentiles([each[stage] for each in taken if stage in each])
        for stage in Stage
        if any(stage in each for each in taken)
    }
    return Startup(percentiles([sum(each.values()) for each in taken]), stages)
