"""Counts by day and percentiles by origin, as the admin's pictures show them."""

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.history import (
    OTHERS,
    Count,
    Days,
    Speed,
    Spread,
    Start,
    What,
    latest,
    launches,
    outcomes,
    speeds,
    spread,
    sums,
    took,
)

TODAY = date(2026, 11, 25)
WEEK = latest(TODAY, 7)


def counts() -> st.SearchStrategy[list[Count]]:
    one = st.builds(
        Count,
        day=st.dates(TODAY - timedelta(days=9), TODAY + timedelta(days=1)),
        distribution=st.sampled_from("abcdefghij"),
        what=st.sampled_from(What),
        key=st.sampled_from(["cold", "pool", "expired", "worked"]),
        n=st.integers(0, 1000),
    )
    return st.lists(one, max_size=60)


def launch(day: date, slug: str, n: int) -> Count:
    return Count(day, slug, What.LAUNCH, "cold", n)


def test_the_latest_days_end_with_today() -> None:
    assert latest(TODAY, 3) == [date(2026, 11, 23), date(2026, 11, 24), TODAY]
    assert latest(date(2026, 3, 1), 2) == [date(2026, 2, 28), date(2026, 3, 1)]


def test_launches_stand_by_day_and_distribution_with_the_most_frequent_first() -> None:
    found = [launch(TODAY, "b", 2), launch(TODAY, "a", 1), launch(WEEK[0], "b", 1)]
    found += [Count(TODAY, "a", What.LAUNCH, "pool", 1)]
    days = launches(found, [WEEK[0], TODAY])
    assert days == Days(("b", "a"), {WEEK[0]: {"b": 1, "a": 0}, TODAY: {"b": 2, "a": 2}})
    assert (days.total, days.highest) == (5, 4)


def test_those_beyond_the_most_frequent_are_one_series() -> None:
    days = launches([launch(TODAY, slug, n) for n, slug in enumerate("abcd", 1)], [TODAY], most=2)
    assert days == Days(("d", "c", OTHERS), {TODAY: {"d": 4, "c": 3, OTHERS: 3}})


@given(counts(), st.integers(1, 8))
def test_no_launch_of_those_days_is_lost_and_none_of_others_counts(
    found: list[Count], most: int
) -> None:
    days = launches(found, WEEK, most)
    wanted = Counter[date]()
    for each in found:
        if each.what is What.LAUNCH and each.day in WEEK:
            wanted[each.day] += each.n
    assert {day: sum(row.values()) for day, row in days.rows.items()} == {
        day: wanted[day] for day in WEEK
    }
    assert all(tuple(row) == days.series for row in days.rows.values())
    assert len(days.series) <= most + 1
    named = [each for each in days.series if each != OTHERS]
    heights = [sum(row[each] for row in days.rows.values()) for each in named]
    assert heights == sorted(heights, reverse=True)


@given(counts(), st.sampled_from(What))
def test_sums_by_key_are_all_of_them_in_order(found: list[Count], what: What) -> None:
    by_key = sums(found, what, WEEK)
    assert sum(by_key.values()) == sum(
        each.n for each in found if each.what is what and each.day in WEEK
    )
    assert list(by_key.values()) == sorted(by_key.values(), reverse=True)


def test_synthetic_outcomes_stand_by_day_and_a_day_without_any_is_empty() -> None:
    found = [Count(TODAY, "hello", What.SYNTHETIC, key, n) for key, n in (("worked", 3),) * 2]
    assert outcomes(found, WEEK[-2:]) == {WEEK[-2]: {}, TODAY: {"worked": 6}}


def test_a_start_does_not_count_what_it_waited_for_its_turn() -> None:
    assert took({"queued": 60.0, "container": 1.0, "booting": 2.5}) == 3.5


def test_speeds_are_told_by_distribution_and_origin() -> None:
    cold = [Start("b", "cold", took=float(n), waited=n + 1.0) for n in range(1, 101)]
    warm = [Start("b", "pool", 2.0, None), Start("b", "pool", 4.0, 0.0)]
    own = [Start("a", "pool", 1.0, None)]
    assert speeds([*cold, *warm, *own]) == [
        Speed("a", "pool", Spread(1, 1.0, 1.0, 1.0), None),
        Speed("b", "cold", Spread(100, 50.0, 95.0, 99.0), Spread(100, 51.0, 96.0, 100.0)),
        Speed("b", "pool", Spread(2, 2.0, 4.0, 4.0), Spread(1, 0.0, 0.0, 0.0)),
    ]


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=50))
def test_percentiles_rise_and_are_among_the_values(sample: list[float]) -> None:
    found = spread(sample)
    assert found.count == len(sample)
    assert found.p50 <= found.p95 <= found.p99
    rounded = {round(each, 3) for each in sample}
    assert {found.p50, found.p95, found.p99} <= rounded


@pytest.mark.parametrize("found", [[], [Count(TODAY, "a", What.ENDING, "expired", 1)]])
def test_without_launches_there_is_no_series_and_every_day_is_there(found: list[Count]) -> None:
    days = launches(found, WEEK)
    assert (days.series, days.total, days.highest, list(days.rows)) == ((), 0, 0, WEEK)
