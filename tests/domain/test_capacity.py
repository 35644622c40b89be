"""Places, what has them, and what limits the next launch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.capacity import Limit, Places, fitting, limit, places
from orchestrator.domain.models import LIVE, UNASSIGNED, Instance, State

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ONE = Instance("i", "wiki", "v", State.READY, NOW, NOW, timedelta(minutes=1), UNASSIGNED)
ROOM = Places(ready=1, starting=2, stopping=0, pooled=1, free=3)


def living() -> st.SearchStrategy[list[Instance]]:
    states = st.sampled_from(sorted(LIVE))
    one = st.builds(
        lambda state, pooled: replace(ONE, state=state, pooled=pooled), states, st.booleans()
    )
    return st.lists(one, max_size=30)


@given(living(), st.integers(1, 40))
def test_all_that_has_a_place_is_counted_once(live: list[Instance], capacity: int) -> None:
    found = places(live, capacity)
    assert found.taken == sum(each.state is not State.QUEUED or each.pooled for each in live)
    assert found.free == max(capacity - found.taken, 0)
    assert sum(found.parts.values()) == max(capacity, found.taken)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"paused": True, "short": True}, Limit.PAUSED),
        ({"short": True}, Limit.ROOM),
        ({"queued": 5}, Limit.TURNS),
        ({"queued": 5, "turns": 3}, Limit.NOTHING),
        ({}, Limit.NOTHING),
    ],
)
def test_the_strongest_limit_is_told(changes: dict[str, int], expected: Limit) -> None:
    how = {"paused": False, "short": False, "queued": 0, "turns": 2} | changes
    assert limit(ROOM, **how) is expected  # type: ignore[arg-type]


def test_without_a_free_place_the_places_limit() -> None:
    full = replace(ROOM, free=0)
    assert limit(full, paused=False, short=False, queued=9, turns=1) is Limit.PLACES


def test_what_fits_is_told_by_what_is_usual() -> None:
    assert fitting(1100, 100, [100, 300, 0]) == 5
    assert fitting(50, 100, [100]) == 0
    assert fitting(1000, 0, []) is None
    assert fitting(1000, 0, [0]) is None
