"""The admin's pictures: where each piece of a drawing stands. Pure functions.

A drawing is 100 wide and 100 high, and is stretched to its place; it holds no text, which would be
stretched along. What it shows stands beside it as a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ..domain.history import Days, Spread

SHORTEST: Final = 0.001  # seconds
GAP: Final = 0.2  # of a column's width, between two


@dataclass(frozen=True, slots=True)
class Piece:
    kind: str  # its class in the style sheet
    x: float
    y: float
    width: float
    height: float
    n: float


@dataclass(frozen=True, slots=True)
class Column:
    day: date
    x: float
    width: float
    total: int
    pieces: tuple[Piece, ...]  # the first at the bottom


def columns(days: Days, top: int) -> list[Column]:
    """One a day; `top` is the number at the upper edge."""
    each = 100 / max(len(days.rows), 1)
    width = each * (1 - GAP)
    drawn = []
    for place, (day, row) in enumerate(days.rows.items()):
        x, y = place * each + each * GAP / 2, 100.0
        pieces = []
        for number, n in enumerate(row.values()):
            height = 100 * n / top
            y -= height
            if n:
                pieces.append(_piece(f"s{number}", x, y, width, height, n))
        drawn.append(Column(day, round(x, 3), round(width, 3), sum(row.values()), tuple(pieces)))
    return drawn


def nice(highest: float) -> int:
    """The number at the upper edge: the next even one of its size, so that half of it is whole."""
    size = 1
    while True:
        for step in (2, 4, 6, 8, 10):
            if highest <= step * size:
                return step * size
        size *= 10


def segments(parts: Mapping[str, int], whole: int | None = None) -> list[Piece]:
    """One beside the other; together they are the whole, or 100 where they are more than that."""
    total = sum(parts.values())
    scale = 100 / max(whole or 0, total, 1)
    drawn, x = [], 0.0
    for kind, n in parts.items():
        if n:
            drawn.append(_piece(kind, x, 0, n * scale, 100, n))
            x += n * scale
    return drawn


def bars(spread: Spread, longest: float) -> list[Piece]:
    """Percentiles, one over the other from the left: the longest is drawn first."""
    found = (("p99", spread.p99), ("p95", spread.p95), ("p50", spread.p50))
    scale = 100 / longest if longest >= SHORTEST else 0
    return [_piece(kind, 0, 0, value * scale, 100, value) for kind, value in found]


def strip(kinds: Sequence[str], cells: int) -> list[Piece]:
    """One after the other, the last at the right edge; where there are too few, "none" first."""
    each = 100 / max(cells, 1)
    shown = ["none"] * (cells - len(kinds)) + list(kinds[-cells:])
    return [
        _piece(kind, place * each + each * GAP / 2, 0, each * (1 - GAP), 100, 1)
        for place, kind in enumerate(shown)
    ]


def _piece(kind: str, x: float, y: float, width: float, height: float, n: float) -> Piece:
    """Without what rounding has left below nothing."""
    x, y, width, height = (round(max(each, 0.0), 3) for each in (x, y, width, height))
    return Piece(kind, x, y, width, height, n)
