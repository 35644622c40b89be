from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest

from orchestrator.domain.models import Instance, Reason, Stage, State
from orchestrator.domain.restoring import carried_over, left_behind

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=10)
OWNED = Instance(
    id="i1",
    distribution="wiki",
    owner="anna",
    state=State.READY,
    stage=Stage.READY,
    created_at=BEFORE,
    ready_at=BEFORE,
    expires_at=NOW + timedelta(minutes=30),
    lifetime=timedelta(minutes=40),
    address=IPv4Address("10.99.0.16"),
    name="my-site",
    password="secret",
)
ADOPTED = replace(OWNED, owner="", name=None, password=None, expires_at=NOW + timedelta(minutes=31))
POOLED = replace(OWNED, owner="", name=None, pooled=True)


def test_what_lives_and_has_an_owner_goes_on_as_it_is() -> None:
    renewed = replace(OWNED, expires_at=NOW + timedelta(hours=2))
    assert carried_over(renewed, OWNED, NOW) == renewed
    assert carried_over(renewed, None, NOW) == renewed


def test_an_adopted_one_gets_its_owner_and_its_lease_back() -> None:
    assert carried_over(ADOPTED, OWNED, NOW) == OWNED


def test_a_lease_that_was_over_by_the_backup_was_renewed_since_so_the_label_holds() -> None:
    over = replace(OWNED, expires_at=NOW)
    assert carried_over(ADOPTED, over, NOW) == replace(OWNED, expires_at=ADOPTED.expires_at)


def test_what_was_in_the_pool_then_stays_nobodys() -> None:
    assert carried_over(ADOPTED, POOLED, NOW) == ADOPTED
    assert left_behind(POOLED, NOW) == replace(POOLED, pooled=False)


def test_what_is_in_the_pool_now_stays_there() -> None:
    assert carried_over(POOLED, POOLED, NOW) == POOLED


def test_a_launch_that_waited_then_is_not_begun_again() -> None:
    ended = left_behind(replace(OWNED, state=State.QUEUED, ready_at=None), NOW)
    assert (ended.state, ended.reason, ended.ended_at) == (
        State.FAILED,
        Reason.REMOVED_OUTSIDE,
        NOW,
    )


def test_a_start_that_was_under_way_is_looked_for_but_not_begun_again() -> None:
    left = left_behind(replace(OWNED, state=State.STARTING, ready_at=None), NOW)
    assert (left.state, left.stage, left.ready_at) == (State.READY, Stage.READY, BEFORE)


@pytest.mark.parametrize("state", [State.READY, State.STOPPING])
def test_the_rest_is_left_to_the_comparison_with_the_engine(state: State) -> None:
    was = replace(OWNED, state=state)
    assert left_behind(was, NOW) == was
