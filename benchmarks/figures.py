"""A figure beside its reference: statistics, the table, the JSON file."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Better = Literal["less", "more"]


@dataclass(frozen=True)
class Figure:
    """What was measured and what it is measured against, in one run and in the same `unit`.

    `bar` is for the ratio of the two; None where only the comparison is of interest. `live` is how
    many instances ran meanwhile. `details` go into the JSON file.
    """

    benchmark: str
    what: str
    value: float
    unit: str
    reference: float
    against: str
    bar: float | None = None
    better: Better = "less"
    live: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.value / self.reference if self.reference else math.inf

    @property
    def met(self) -> bool | None:
        if self.bar is None:
            return None
        return self.ratio <= self.bar if self.better == "less" else self.ratio >= self.bar

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        sign = "≤" if self.better == "less" else "≥"
        return f"{sign} {self.bar:g} {'met' if self.met else 'MISSED'}"


def percentile(sample: Sequence[float], share: float) -> float:
    """The nearest rank: a value that was measured."""
    ordered = sorted(sample)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def median(sample: Sequence[float]) -> float:
    return statistics.median(sample)


def summary(sample: Sequence[float]) -> str:
    """Median, and the 90th percentile in brackets."""
    return f"{median(sample):.3f} ({percentile(sample, 0.9):.3f})"


def number(value: float) -> str:
    """Three figures that mean something."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def print_table(figures: Iterable[Figure]) -> None:
    columns = ("benchmark", "live", "figure", "", "reference", "", "ratio", "bar")
    table = Table(*columns)
    for each in figures:
        table.add_row(
            each.benchmark,
            str(each.live),
            each.what,
            f"{number(each.value)} {each.unit}",
            each.against,
            f"{number(each.reference)} {each.unit}",
            number(each.ratio),
            each.verdict,
        )
    Console(width=150).print(table)


def write_json(path: Path, machine: dict[str, Any], figures: Iterable[Figure]) -> None:
    rows = [asdict(each) | {"ratio": each.ratio, "met": each.met} for each in figures]
    text = json.dumps({"machine": machine, "figures": rows}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n")
