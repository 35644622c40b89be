"""The wall clock is set by an hour, both ways: no lease ends early, none gets longer, and nobody
waits longer or less long for the next launch."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.limits_exceeded import TooMany
from orchestrator.domain.models import Caller, Instance, Reason, State
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import clock as clock_module
from orchestrator.service import insist
from orchestrator.service.clock import SteadyClock

from ..support import ADMIN, ANNA, World, running, with_pool

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
TOLERATED = timedelta(seconds=2)
BOTH_WAYS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["ahead", "back"])


class Wall:
    """The wall clock; `step` sets it."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def step(self, by: timedelta) -> None:
        self._offset += by


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "LOOK_INTERVAL", 0.02)


@asynccontextmanager
async def steady(
    folder: Path, wall: Wall, host: FakeHost | None = None
) -> AsyncIterator[tuple[World, SteadyClock]]:
    clock = SteadyClock(wall)
    async with running(folder, host=host, now=clock) as world:
        yield world, clock


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def stepped(clock: SteadyClock, wall: Wall, by: timedelta) -> None:
    """The wall clock has been set, and the service has followed."""
    wall.step(by)
    await in_time(lambda: abs(clock.ahead()) < timedelta(seconds=1))


def left(instance: Instance, wall: Wall) -> timedelta:
    return instance.expires_at - wall()


# -- the clock alone ---------------------------------------------------------------------------


def test_it_counts_seconds_and_does_not_heed_a_step_until_it_is_moved() -> None:
    kernel = 100.0
    wall = Wall()
    clock = SteadyClock(wall, lambda: kernel)
    began = clock()
    wall.step(HOUR)
    kernel += 5
    assert clock() == began + timedelta(seconds=5)
    assert HOUR - timedelta(seconds=6) < clock.ahead() <= HOUR
    clock.move(HOUR)
    assert clock() == began + HOUR + timedelta(seconds=5)


async def test_slow_drift_is_followed_and_moves_no_lease(tmp_path: Path, wall: Wall) -> None:
    async with steady(tmp_path, wall) as (world, clock):
        site = await world.launched(ANNA)
        for _ in range(5):
            await stepped(clock, wall, timedelta(seconds=1.5))
        assert await world.services.ledger.find(site.id) == site


# -- the service -------------------------------------------------------------------------------


class Clocks(Wall):
    """Both clocks: `step` sets the wall's alone, `pass_by` lets time pass."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0

    def kernel(self) -> float:
        return clock_module.kernel_time() + self._passed

    def pass_by(self, length: timedelta) -> None:
        self._offset += length
        self._passed += length.total_seconds()


async def seconds_until_allowed(work: Awaitable[object]) -> int:
    """0 where it is allowed at once."""
    try:
        await work
    except TooMany as error:
        return error.retry_after
    return 0


@BOTH_WAYS
@pytest.mark.parametrize("whose", ["visitor", "address", "network"])
async def test_who_has_launched_enough_waits_an_hour_and_no_longer(
    tmp_path: Path, whose: str, step: timedelta
) -> None:
    clocks = Clocks()
    clock = SteadyClock(clocks, clocks.kernel)
    limit: dict[str, Any] = {f"launches_per_{whose}": 1}
    first = Caller("v-anna", address="a", network="n")
    second = {
        "visitor": Caller("v-anna", address="b", network="m"),
        "address": Caller("v-ben", address="a", network="m"),
        "network": Caller("v-ben", address="b", network="n"),
    }[whose]
    async with running(tmp_path, now=clock, **limit) as world:

        def left() -> Awaitable[int]:
            return seconds_until_allowed(world.launched(second))

        await world.launched(first)
        clocks.pass_by(timedelta(minutes=10))
        await stepped(clock, clocks, step)
        assert 49 * 60 < await left() <= 50 * 60
        clocks.pass_by(timedelta(minutes=49))
        assert 0 < await left() <= 60
        clocks.pass_by(timedelta(minutes=1))
        assert await left() == 0


@BOTH_WAYS
async def test_a_proof_counts_for_an_hour_and_is_never_taken_twice(
    tmp_path: Path, step: timedelta
) -> None:
    clocks = Clocks()
    clock = SteadyClock(clocks, clocks.kernel)
    async with running(tmp_path, now=clock) as world:
        safeguards = world.services.ledger.store.safeguards
        valid_until = clock() + timedelta(minutes=10)  # as the proof itself says

        def spend(key: str) -> Awaitable[bool]:
            until = valid_until if key == "first" else clock() + timedelta(minutes=10)
            return safeguards.spend(key, now=clock(), until=until, bucket="anna", most=1)

        assert await spend("first")
        await stepped(clock, clocks, step)
        assert 3590 < await seconds_until_allowed(spend("second")) <= 3600
        clocks.pass_by(timedelta(minutes=59))
        assert 0 < await seconds_until_allowed(spend("second")) <= 60
        clocks.pass_by(timedelta(minutes=1, seconds=1))
        assert clock() > valid_until or not await spend("first")
        assert await spend("second")


@BOTH_WAYS
async def test_everybody_keeps_the_time_that_was_left(
    tmp_path: Path, wall: Wall, step: timedelta
) -> None:
    async with steady(tmp_path, wall) as (world, clock):
        sites = [await world.launched(ANNA) for _ in range(3)]
        sites[0] = await world.services.leases.renew(ANNA, sites[0].id)
        before = {site.id: left(site, wall) for site in sites}
        await stepped(clock, wall, step)
        for site in sites:
            now = await world.services.leases.get(ANNA, site.id)
            assert now.state is State.READY
            assert abs(left(now, wall) - before[site.id]) < TOLERATED
            assert now == await world.services.ledger.store.get(site.id)
            assert now.expires_at - site.expires_at == now.created_at - site.created_at
        assert len(world.engine.host.containers) == 3


@BOTH_WAYS
async def test_a_lease_that_is_about_to_end_does_so_on_time(
    tmp_path: Path, wall: Wall, step: timedelta
) -> None:
    async with steady(tmp_path, wall) as (world, clock):
        site = await world.launched(ADMIN, lifetime=timedelta(seconds=10))
        ends_in = 1.5  # seconds
        due = time.monotonic() + ends_in
        await world.services.ledger.change(
            site.id, only_in={State.READY}, expires_at=clock() + timedelta(seconds=ends_in)
        )
        await stepped(clock, wall, step)
        async with asyncio.timeout(5):
            ended = await world.ended(site.id)
        assert ended.reason is Reason.EXPIRED
        assert -0.1 < time.monotonic() - due < 2


@BOTH_WAYS
async def test_a_renewal_afterwards_gives_a_whole_lifetime(
    tmp_path: Path, wall: Wall, step: timedelta
) -> None:
    clock = SteadyClock(wall)
    async with running(tmp_path, now=clock, max_lifetime=timedelta(minutes=50)) as world:
        site = await world.launched(ANNA)
        soon = clock() + timedelta(minutes=1)
        await world.services.ledger.change(site.id, only_in={State.READY}, expires_at=soon)
        await stepped(clock, wall, step)
        renewed = await world.services.leases.renew(ANNA, site.id)
        assert abs(left(renewed, wall) - site.lifetime) < TOLERATED


@BOTH_WAYS
async def test_the_time_left_holds_after_a_restart(
    tmp_path: Path, wall: Wall, step: timedelta
) -> None:
    host = FakeHost()
    async with steady(tmp_path, wall, host) as (world, clock):
        site = await world.launched(ANNA)
        before = left(site, wall)
        await stepped(clock, wall, step)
    async with steady(tmp_path, wall, host) as (world, _):
        now = await world.services.leases.get(ANNA, site.id)
        assert now.state is State.READY
        assert abs(left(now, wall) - before) < TOLERATED
        assert (await world.launched(ANNA)).state is State.READY


@BOTH_WAYS
async def test_what_is_in_the_pool_is_claimed_after_a_step_with_a_whole_lifetime(
    tmp_path: Path, wall: Wall, step: timedelta, hurried_pool: None
) -> None:
    clock = SteadyClock(wall)
    async with running(tmp_path, now=clock, catalog=with_pool(1, 1)) as world:
        pool = world.services.pool
        await in_time(lambda: any(one.state is State.READY for one in pool.members()))
        [member] = pool.members()
        await stepped(clock, wall, step)
        claimed = await world.launched(ANNA)
        assert claimed.id == member.id
        assert abs(left(claimed, wall) - claimed.lifetime) < TOLERATED


@BOTH_WAYS
async def test_while_the_store_is_away_the_old_time_goes_on(
    tmp_path: Path, wall: Wall, step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insist, "PAUSE", lambda _state: 0.05)
    async with steady(tmp_path, wall) as (world, clock):
        site = await world.launched(ANNA)
        with closing(sqlite3.connect(tmp_path / "distros.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            wall.step(step)
            await asyncio.sleep(1.5)  # longer than the store is patient
            assert abs(clock.ahead()) > HOUR / 2
            assert await world.services.ledger.find(site.id) == site
            other.rollback()
        await in_time(lambda: abs(clock.ahead()) < TOLERATED)
        now = await world.services.ledger.find(site.id)
        assert now is not None and now.state is State.READY
        assert abs(now.expires_at - site.expires_at - step) < TOLERATED
