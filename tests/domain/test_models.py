from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.models import (
    UNASSIGNED,
    Caller,
    Instance,
    Reason,
    State,
    final_state,
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


@pytest.mark.parametrize(
    ("owner", "it_is"), [("v-1a2b", True), ("admin", False), ("token:v-1", False), ("", False)]
)
def test_a_visitor_is_told_by_their_code(owner: str, it_is: bool) -> None:
    assert replace(READY, owner=owner).by_visitor is it_is


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
