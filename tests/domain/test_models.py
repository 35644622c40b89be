from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.models import (
    UNASSIGNED,
    Caller,
    Instance,
    Reason,
    State,
    final_state,
    next_address,
    renewed_until,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES = timedelta(minutes=1)
READY = Instance(
    id="i",
    distribution="wiki",
    owner="anna",
    state=State.READY,
    created_at=NOW,
    ready_at=NOW,
    expires_at=NOW + 40 * MINUTES,
    lifetime=40 * MINUTES,
    address=UNASSIGNED,
)

FIRST, LAST = IPv4Address("10.0.0.16"), IPv4Address("10.0.0.19")


@pytest.mark.parametrize(
    ("previous", "in_use", "expected"),
    [
        (None, (), 16),
        (16, (), 17),
        (19, (), 16),
        (16, (17, 18), 19),
        (18, (19, 16), 17),
        (1, (), 16),
        (16, (16, 17, 18, 19), None),
    ],
)
def test_addresses_go_round(
    previous: int | None, in_use: tuple[int, ...], expected: int | None
) -> None:
    base = IPv4Address("10.0.0.0")
    given_one = next_address(
        FIRST,
        LAST,
        base + previous if previous is not None else None,
        {base + number for number in in_use},
    )
    assert given_one == (base + expected if expected is not None else None)


@given(st.sets(st.integers(0, 3)), st.integers(0, 3))
def test_an_address_in_use_is_never_given(taken: set[int], previous: int) -> None:
    in_use = {FIRST + number for number in taken}
    found = next_address(FIRST, LAST, FIRST + previous, in_use)
    assert (found is None) == (len(in_use) == 4)
    assert found not in in_use


@pytest.mark.parametrize(
    ("reason", "ready_at", "state"),
    [
        (Reason.EXPIRED, NOW, State.GONE),
        (Reason.CRASHED, NOW, State.GONE),
        (Reason.CRASHED, None, State.FAILED),
        (Reason.OUT_OF_MEMORY, None, State.FAILED),
        (Reason.START_FAILED, None, State.FAILED),
        (Reason.NOT_READY_IN_TIME, None, State.FAILED),
        (Reason.REMOVED_OUTSIDE, None, State.FAILED),
        (Reason.DELETED, None, State.GONE),
        (Reason.REMOVED_BY_ADMIN, None, State.GONE),
        (Reason.EXPIRED, None, State.GONE),
    ],
)
def test_only_a_launch_that_never_became_ready_through_a_fault_has_failed(
    reason: Reason, ready_at: datetime | None, state: State
) -> None:
    assert final_state(reason, ready_at) is state


def test_a_renewal_gives_a_whole_lifetime_again() -> None:
    assert renewed_until(READY, NOW + 30 * MINUTES, 240 * MINUTES) == NOW + 70 * MINUTES


def test_a_renewal_stays_within_the_maximum() -> None:
    assert renewed_until(READY, NOW + 30 * MINUTES, 60 * MINUTES) == NOW + 60 * MINUTES


def test_a_renewal_never_shortens() -> None:
    assert renewed_until(READY, NOW + 30 * MINUTES, 20 * MINUTES) == READY.expires_at


def test_only_its_owner_and_an_admin_see_an_instance() -> None:
    assert Caller("anna").may_see(READY)
    assert Caller("admin", admin=True).may_see(READY)
    assert not Caller("ben").may_see(READY)


def test_nobody_owns_what_was_adopted() -> None:
    assert not Caller("").may_see(replace(READY, owner=""))
