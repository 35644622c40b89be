"""What the service measures, for Prometheus: declared once, in `METRICS`; docs/metrics.md is made
of it.

Each service has a registry of its own. Labels have few values: never an instance's id, nor anything
of a visitor's.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX: Final = "distros_"


@dataclass(frozen=True, slots=True)
class Metric:
    """As it is exposed: `distros_<name>`, a counter's with `_total` behind it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # of a histogram, in its unit

    @property
    def full_name(self) -> str:
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


_STAGES: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
_CALLS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATENESS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0)

METRICS: Final = (
    Metric("capacity", "gauge", "Instances that may exist at once."),
    Metric(
        "instances",
        "gauge",
        "Instances that have not ended, by whom they are for: visitors, the pool, or synthetic.",
        ("distribution", "state", "holder"),
    ),
    Metric(
        "pool",
        "gauge",
        "Instances in the pool that are ready or starting, and how many there should be (target).",
        ("distribution", "kind"),
    ),
    Metric(
        "restrained",
        "gauge",
        "Instances that have a small share of the CPU because they have burned CPU time for long.",
    ),
    Metric("queue", "gauge", "Launches that wait for a place or a turn."),
    Metric(
        "launches",
        "counter",
        "Launches that were admitted, and whether they were served from the pool or started cold.",
        ("distribution", "origin"),
    ),
    Metric(
        "endings", "counter", "Instances that have ended.", ("distribution", "reason", "holder")
    ),
    Metric(
        "launch_stage_seconds",
        "histogram",
        "How long each stage of the starts took that succeeded.",
        ("distribution", "stage"),
        _STAGES,
    ),
    Metric(
        "expiry_lateness_seconds",
        "histogram",
        "From the end of a lease until its container was gone.",
        buckets=_LATENESS,
    ),
    Metric(
        "engine_call_seconds",
        "histogram",
        "How long calls to the engine took, failed ones included.",
        ("call",),
        _CALLS,
    ),
    Metric("engine_failures", "counter", "Calls to the engine that failed.", ("call", "code")),
    Metric("engine_away", "gauge", "1 while the engine does not answer."),
    Metric("engine_lists", "counter", "Full lists: each finds and mends every difference."),
    Metric("engine_last_list_seconds", "gauge", "Since the engine has listed everything."),
    Metric("engine_last_word_seconds", "gauge", "Since its event stream has said anything."),
    Metric("store_failures", "counter", "Calls to the database that failed.", ("call",)),
    Metric("check", "gauge", "1 for each part of `/readyz` that is well, else 0.", ("part",)),
    Metric("loop_failures", "counter", "Failures of the background loops.", ("loop",)),
    Metric("event_streams", "gauge", "Open streams of instances' changes."),
    Metric("terminals", "gauge", "Open terminals in the browser."),
    Metric(
        "synthetic_up",
        "gauge",
        "1 where the latest synthetic launch has worked, 0 where it has not.",
        ("distribution",),
    ),
    Metric(
        "synthetic_since_timestamp_seconds",
        "gauge",
        "Since when it works, or does not, in Unix time.",
        ("distribution",),
    ),
    Metric("synthetic_runs", "counter", "Synthetic launches.", ("outcome",)),
    Metric(
        "synthetic_step_seconds",
        "gauge",
        "How long each step of the latest synthetic launch took.",
        ("step",),
    ),
)


Labels = TypeVar("Labels", bound=tuple[str, ...])


class Metrics:
    """The metrics of one service, by their names without prefix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._totals: dict[tuple[str, ...], int] = {}
        for each in METRICS:
            named = (PREFIX + each.name, each.help, each.labels)
            match each.kind:
                case "counter":
                    self._counters[each.name] = Counter(*named, registry=self.registry)
                case "gauge":
                    self._gauges[each.name] = Gauge(*named, registry=self.registry)
                case "histogram":
                    self._histograms[each.name] = Histogram(
                        *named, registry=self.registry, buckets=each.buckets
                    )

    def count(self, name: str, *labels: str) -> None:
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc()

    def count_up_to(self, total: int, name: str, *labels: str) -> None:
        """For what somebody else counts."""
        counter = self._counters[name]
        before = self._totals.get((name, *labels), 0)
        self._totals[name, *labels] = total
        (counter.labels(*labels) if labels else counter).inc(total - before)

    def observe(self, name: str, value: float, *labels: str) -> None:
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def set(self, name: str, value: float) -> None:
        self._gauges[name].set(value)

    def while_open(self, name: str) -> AbstractContextManager[None]:
        """One more, until the context is left."""
        return self._gauges[name].track_inprogress()

    def set_all(self, name: str, values: Mapping[Labels, float]) -> None:
        """Of a gauge with labels: these and no others."""
        gauge = self._gauges[name]
        gauge.clear()
        for labels, value in values.items():
            gauge.labels(*labels).set(value)

    def exposition(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
