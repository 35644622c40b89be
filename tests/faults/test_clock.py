"""Somebody sets the clock: leases end when their time is over, by the time that has passed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.domain.models import Reason, State
from orchestrator.service.clock import SteadyClock
from tests.support import ADMIN, ANNA, running

pytestmark = pytest.mark.anyio

LATE = timedelta(seconds=2)


@dataclass
class Time:
    """The wall clock, which anybody can set, and the kernel's, which only goes on."""

    wall: datetime = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    kernel: float = 1000.0

    def passes(self, **by: float) -> None:
        self.wall += timedelta(**by)
        self.kernel += timedelta(**by).total_seconds()


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_moved_clock_ends_no_lease_early_or_late(tmp_path: Path, hours: int) -> None:
    time = Time()
    clock = SteadyClock(wall=lambda: time.wall, kernel=lambda: time.kernel)
    async with running(tmp_path, now=clock) as world:
        site = await world.launched()
        soon_over = await world.launched(ADMIN, "hidden", lifetime=timedelta(seconds=10))
        renewed = await world.services.leases.renew(ANNA, site.id)

        time.wall += timedelta(hours=hours)
        moved = await world.until(site.id, lambda now: now.expires_at != renewed.expires_at)
        left = moved.expires_at - time.wall
        assert abs(left - site.lifetime) <= LATE

        time.passes(seconds=8)
        assert (await world.services.leases.get(ADMIN, soon_over.id)).state is State.READY
        time.passes(seconds=4)
        assert (await world.ended(soon_over.id)).reason is Reason.EXPIRED

    # The next process begins with the new time, and finds every lease as long as it was.
    clock = SteadyClock(wall=lambda: time.wall, kernel=lambda: time.kernel)
    async with running(tmp_path, now=clock, host=world.engine.host) as world:
        assert (await world.services.leases.get(ANNA, site.id)).state is State.READY
        time.passes(minutes=40)
        assert (await world.ended(site.id)).reason is Reason.EXPIRED
