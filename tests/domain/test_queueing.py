"""The order of the queue, and what it tells those who wait."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.models import UNASSIGNED, Instance, State
from orchestrator.domain.queueing import Launch, fair_order, waits

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


def told(free: int, ends: list[float], ahead: float = 0) -> list[float | None]:
    """To three who wait; each start keeps others waiting for ten seconds, two at once, and each
    site stays for a hundred."""
    launches = [Launch(turn=10, stay=100)] * 3
    return list(waits(launches, free_places=free, ends=ends, turns=2, ahead=ahead))


@pytest.mark.parametrize(
    ("waited", "seconds"),
    [
        (told(5, []), [0, 5, 10]),  # places are free: they wait for their turns
        (told(5, [], ahead=20), [10, 15, 20]),
        (told(0, [60, 30, 90]), [30, 60, 90]),  # for the ends of leases
        (told(1, [30]), [0, 30, 100]),  # the third for the end of the first one's
        (told(0, [30]), [30, 130, 230]),
        (told(0, [-5, -1, -1]), [0, 5, 10]),  # overdue: any moment
        (told(0, []), [None, None, None]),
    ],
)
def test_the_wait_is_for_a_place_and_for_a_turn(
    waited: list[float | None], seconds: list[float | None]
) -> None:
    assert waited == seconds


@given(
    st.integers(0, 5),
    st.lists(st.floats(0, 100), max_size=9),
    st.lists(st.builds(Launch, st.floats(0, 9), st.floats(0, 99)), max_size=20),
    st.floats(0, 99),
)
def test_who_is_further_back_never_starts_sooner(
    free: int, ends: list[float], launches: list[Launch], ahead: float
) -> None:
    told = list(waits(launches, free_places=free, ends=ends, turns=3, ahead=ahead))
    known = [wait for wait in told if wait is not None]
    assert known == sorted(known)
    assert len(known) == (len(launches) if free or ends else 0)
