"""The order of the queue, and what it tells those who wait."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.models import UNASSIGNED, Instance, State
from orchestrator.domain.queueing import Outlook, fair_order, seconds_until_started

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WAITING = Instance(
    id="",
    distribution="wiki",
    owner="",
    state=State.QUEUED,
    created_at=NOW,
    expires_at=NOW,
    lifetime=timedelta(minutes=40),
    address=UNASSIGNED,
)


def queue(owners: str) -> list[Instance]:
    """Ids are the owner's letter and the place of arrival: "aab" gives a0, a1, b2."""
    return [replace(WAITING, id=f"{one}{at}", owner=one) for at, one in enumerate(owners)]


@pytest.mark.parametrize(
    ("owners", "held", "order"),
    [
        ("abc", {}, "a0 b1 c2"),
        ("aaab", {}, "a0 b3 a1 a2"),
        ("aabab", {}, "a0 b2 a1 b4 a3"),
        ("ab", {"a": 1}, "b1 a0"),
        ("aab", {"b": 1}, "a0 a1 b2"),
        ("", {}, ""),
    ],
)
def test_each_visitors_next_site_comes_after_everybodys_first(
    owners: str, held: dict[str, int], order: str
) -> None:
    assert fair_order(queue(owners), held) == tuple(order.split())


@given(st.text("abc", max_size=30))
def test_everybody_is_in_it_once_and_ones_own_keep_their_order(owners: str) -> None:
    waiting = queue(owners)
    order = fair_order(waiting, {})
    assert sorted(order) == sorted(each.id for each in waiting)
    for owner in "abc":
        mine = [int(instance_id[1:]) for instance_id in order if instance_id[0] == owner]
        assert mine == sorted(mine)


def outlook(free: int, ends: list[float], *, turns: int = 2, under_way: int = 0) -> Outlook:
    return Outlook(free_places=free, ends=ends, turns=turns, under_way=under_way)


@pytest.mark.parametrize(
    ("position", "ahead", "seconds"),
    [
        (1, outlook(5, []), 0),  # a place and a turn are free
        (2, outlook(5, []), 0),
        (3, outlook(5, []), 10),  # two starts at once, each for ten seconds
        (5, outlook(5, []), 20),
        (1, outlook(5, [], under_way=2), 10),
        (1, outlook(0, [30, 60]), 30),  # waits for the first end of a lease
        (2, outlook(0, [30, 60]), 60),
        (2, outlook(1, [30, 60]), 30),
        (1, outlook(0, [-1]), 0),  # overdue: any moment
        (3, outlook(0, [1, 2, 3]), 10),  # the place comes sooner than the turn
        (3, outlook(0, [30, 60]), None),  # nobody knows
    ],
)
def test_the_wait_is_for_a_place_and_for_a_turn(
    position: int, ahead: Outlook, seconds: float | None
) -> None:
    assert seconds_until_started(position, ahead, turn=10) == seconds


@given(
    st.integers(1, 20),
    st.integers(0, 5),
    st.lists(st.floats(0, 100), max_size=30).map(sorted),
    st.integers(0, 3),
)
def test_who_is_further_back_never_waits_for_less(
    position: int, free: int, ends: list[float], under_way: int
) -> None:
    ahead = outlook(free, ends, turns=3, under_way=under_way)
    mine = seconds_until_started(position, ahead, turn=1)
    behind = seconds_until_started(position + 1, ahead, turn=1)
    assert behind is None or (mine is not None and mine <= behind)
