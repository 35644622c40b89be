"""The admin's pictures stay within their frame, and are as large as what they show."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.history import Days, Spread
from orchestrator.web.charts import Piece, bars, columns, nice, segments, strip

TODAY = date(2026, 11, 25)


def within(pieces: list[Piece]) -> bool:
    edge = 100.01  # they are rounded
    return all(
        each.x >= 0 and each.y >= 0 and each.x + each.width <= edge and each.y + each.height <= edge
        for each in pieces
    )


@st.composite
def some_days(draw: st.DrawFn) -> Days:
    series = tuple("abcdefg"[: draw(st.integers(0, 7))])
    numbers = st.fixed_dictionaries({each: st.integers(0, 10_000) for each in series})
    rows = draw(st.lists(numbers, min_size=1, max_size=31))
    return Days(series, {TODAY + timedelta(days=at): row for at, row in enumerate(rows)})


@given(some_days())
def test_a_column_is_as_high_as_its_day_and_none_leaves_the_frame(days: Days) -> None:
    top = nice(days.highest)
    drawn = columns(days, top)
    assert [(each.day, each.total) for each in drawn] == [
        (day, sum(row.values())) for day, row in days.rows.items()
    ]
    for column, after in zip(drawn, [*drawn[1:], None], strict=True):
        assert within(list(column.pieces))
        heights = sum(each.height for each in column.pieces)
        assert heights == pytest.approx(100 * column.total / top, abs=0.01)
        assert after is None or column.x + column.width < after.x
        lower = 100.0
        for piece in column.pieces:
            assert piece.y + piece.height == pytest.approx(lower, abs=0.01)
            lower = piece.y


@given(st.integers(0, 10**9))
def test_the_upper_edge_is_a_round_number_above_and_half_of_it_is_whole(highest: int) -> None:
    top = nice(highest)
    assert highest <= top <= max(2 * highest, 2)
    assert top % 2 == 0 and str(top).rstrip("0") in ("1", "2", "4", "6", "8")


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500)), st.none() | st.integers(0, 900)
)
def test_segments_stand_beside_each_other(parts: dict[str, int], whole: int | None) -> None:
    drawn = segments(parts, whole)
    assert within(drawn)
    assert [(each.kind, each.n) for each in drawn] == [(kind, n) for kind, n in parts.items() if n]
    total = sum(parts.values())
    width = sum(each.width for each in drawn)
    assert width == pytest.approx(100 * total / max(whole or 0, total, 1), abs=0.01)


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_shorter_time_is_drawn_over_a_longer_one(p50: float, more: float, most: float) -> None:
    spread = Spread(9, p50, p50 + more, p50 + more + most)
    drawn = bars(spread, spread.p99)
    assert [each.kind for each in drawn] == ["p99", "p95", "p50"]
    widths = [each.width for each in drawn]
    assert widths == sorted(widths, reverse=True) and within(drawn)


@given(st.lists(st.sampled_from(["worked", "failed", "skipped"]), max_size=80), st.integers(1, 60))
def test_a_strip_ends_at_the_right_with_the_latest(kinds: list[str], cells: int) -> None:
    drawn = strip(kinds, cells)
    found = [each.kind for each in drawn]
    assert found == ["none"] * (cells - len(kinds)) + kinds[-cells:]
    assert within(drawn)
    assert drawn[-1].x + drawn[-1].width == pytest.approx(100, abs=100 / cells * 0.11)
