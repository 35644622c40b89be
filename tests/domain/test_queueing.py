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
    assert fair_order(queue(owners), held, NOW) == tuple(order.split())


@given(st.text("abc", max_size=30))
def test_everybody_is_in_it_once_and_ones_own_keep_their_order(owners: str) -> None:
    waiting = queue(owners)
    order = fair_order(waiting, {}, NOW)
    assert sorted(order) == sorted(each.id for each in waiting)
    for owner in "abc":
        mine = [int(instance_id[1:]) for instance_id in order if instance_id[0] == owner]
        assert mine == sorted(mine)


def test_each_minute_of_waiting_makes_up_for_one_site() -> None:
    """A stream of newcomers keeps nobody waiting for ever."""
    old, new = queue("ab")
    held = {"a": 2}
    assert fair_order([old, new], held, NOW + timedelta(seconds=119)) == ("b1", "a0")
    assert fair_order([old, new], held, NOW + timedelta(seconds=120)) == ("a0", "b1")


@pytest.mark.parametrize(
    ("position", "ahead", "seconds"),
    [
        (1, Outlook(5, [], 0), 0),  # a place and a turn are free
        (3, Outlook(5, [], 10), 10),  # those ahead take ten seconds of turns
        (1, Outlook(0, [30, 60], 0), 30),  # waits for the first end of a lease
        (2, Outlook(0, [30, 60], 0), 60),
        (2, Outlook(1, [30, 60], 0), 30),
        (1, Outlook(0, [-1], 0), 0),  # overdue: any moment
        (3, Outlook(0, [1, 2, 3], 10), 10),  # the place comes sooner than the turn
        (3, Outlook(0, [30, 60], 0), None),  # nobody knows
    ],
)
def test_the_wait_is_for_a_place_and_for_a_turn(
    position: int, ahead: Outlook, seconds: float | None
) -> None:
    assert seconds_until_started(position, ahead) == seconds


@given(
    st.integers(1, 20),
    st.integers(0, 5),
    st.lists(st.floats(0, 100), max_size=30).map(sorted),
    st.floats(0, 100),
    st.floats(0, 10),
)
def test_who_is_further_back_never_waits_for_less(
    position: int, free: int, ends: list[float], turn: float, next_turn: float
) -> None:
    mine = seconds_until_started(position, Outlook(free, ends, turn))
    behind = seconds_until_started(position + 1, Outlook(free, ends, turn + next_turn))
    assert behind is None or (mine is not None and mine <= behind)
