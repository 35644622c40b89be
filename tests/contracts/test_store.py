"""What every store promises; run against SQLite."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from orchestrator.domain.errors import StoreUnavailable
from orchestrator.domain.models import (
    ALIVE,
    LIVE,
    UNASSIGNED,
    Instance,
    Reason,
    Stage,
    State,
)
from orchestrator.store.base import Percentiles, Store
from orchestrator.store.sql import SqlStore
from orchestrator.store.tables import metadata

pytestmark = pytest.mark.anyio

SUBNET = IPv4Network("10.99.0.0/24")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def instance(number: int, **changes: object) -> Instance:
    made = Instance(
        id=f"i{number}",
        distribution="wiki",
        owner="anna",
        state=State.QUEUED,
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=40),
        lifetime=timedelta(minutes=40),
        address=UNASSIGNED,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the fields' own types


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(anyio_backend: str, path: Path) -> AsyncIterator[Store]:
    made = SqlStore(f"sqlite+aiosqlite:///{path}", SUBNET)
    await made.prepare()
    yield made
    await made.close()


async def test_it_gives_back_what_was_admitted_with_an_address(store: Store) -> None:
    asked = instance(1, name="my-site", password="secret", timings={"image": 0.5})
    admitted = await store.admit(asked, capacity=5)
    assert admitted == replace(asked, address=IPv4Address("10.99.0.16"))
    assert await store.get("i1") == admitted
    assert await store.get("i2") is None


async def test_it_never_admits_more_than_the_capacity_however_many_race(store: Store) -> None:
    racers = [store.admit(instance(number), capacity=7) for number in range(40)]
    admitted = [found for found in await asyncio.gather(*racers) if found]
    assert len(admitted) == 7
    assert len({found.address for found in admitted}) == 7
    assert await store.count_live() == 7


async def test_what_is_stopping_holds_its_place_until_it_is_gone(store: Store) -> None:
    await store.admit(instance(1), capacity=1)
    await store.update("i1", only_in=ALIVE, state=State.STOPPING, reason=Reason.DELETED)
    assert await store.admit(instance(2), capacity=1) is None
    await store.update("i1", only_in={State.STOPPING}, state=State.GONE, ended_at=NOW)
    assert await store.admit(instance(3), capacity=1) is not None


async def test_no_address_is_given_again_before_all_others_were(store: Store) -> None:
    given = []
    for number in range(245):
        admitted = await store.admit(instance(number), capacity=1)
        assert admitted is not None
        given.append(admitted.address)
        await store.update(admitted.id, only_in=LIVE, state=State.GONE, ended_at=NOW)
    usable = [address for address in SUBNET.hosts() if address >= IPv4Address("10.99.0.16")]
    assert given == (usable * 2)[:245]


async def test_a_repeated_request_key_is_the_same_launch(store: Store) -> None:
    first = await store.admit(instance(1), capacity=5, request_key="k")
    assert await store.admit(instance(2), capacity=5, request_key="k") == first
    other = await store.admit(instance(3, owner="ben"), capacity=5, request_key="k")
    assert other is not None and other.id == "i3"


async def test_a_change_applies_only_in_the_named_states(store: Store) -> None:
    await store.admit(instance(1), capacity=5)
    assert await store.update("i1", only_in={State.READY}, stage=Stage.BOOTING) is None
    changed = await store.update(
        "i1", only_in={State.QUEUED}, state=State.STARTING, stage=Stage.BOOTING
    )
    assert changed is not None
    assert (changed.state, changed.stage) == (State.STARTING, Stage.BOOTING)


async def test_of_many_racing_endings_one_wins(store: Store) -> None:
    await store.admit(instance(1), capacity=5)
    reasons = [Reason.DELETED, Reason.EXPIRED, Reason.CRASHED] * 10
    outcomes = await asyncio.gather(
        *(
            store.update("i1", only_in=ALIVE, state=State.STOPPING, reason=reason)
            for reason in reasons
        )
    )
    [winner] = [outcome for outcome in outcomes if outcome]
    assert await store.get("i1") == winner


async def test_a_renewal_is_lost_when_the_lease_changed_or_ended(store: Store) -> None:
    await store.admit(instance(1), capacity=5)
    end, later = NOW + timedelta(minutes=40), NOW + timedelta(hours=1)

    async def renew(was: datetime, now: datetime) -> bool:
        return await store.renew("i1", was=was, now=now, until=later) is not None

    assert not await renew(end, NOW)  # not ready yet
    await store.update("i1", only_in=ALIVE, state=State.READY)
    assert not await renew(end - timedelta(seconds=1), NOW)  # somebody else renewed it
    assert not await renew(end, end)  # over
    assert await renew(end, NOW)
    assert await store.next_expiry() == later


async def test_what_is_due_comes_longest_overdue_first(store: Store) -> None:
    for number, minutes in ((1, 3), (2, 1), (3, 2), (4, 9)):
        made = instance(number, expires_at=NOW + timedelta(minutes=minutes))
        await store.admit(made, capacity=9)
    await store.update("i3", only_in=ALIVE, state=State.STOPPING)
    due = await store.due(NOW + timedelta(minutes=3))
    assert [found.id for found in due] == ["i2", "i1"]
    assert await store.next_expiry() == NOW + timedelta(minutes=1)


async def test_it_tells_the_place_in_the_queue(store: Store) -> None:
    queued = [await store.admit(instance(number), capacity=9) for number in range(3)]
    await store.update("i0", only_in=ALIVE, state=State.STARTING)
    positions = [await store.queue_position(one) for one in queued[1:] if one]
    assert positions == [1, 2]
    started = await store.get("i0")
    assert started is not None and await store.queue_position(started) is None


async def test_it_lists_by_owner_and_state_oldest_first(store: Store) -> None:
    for number, owner in enumerate(("anna", "ben", "anna")):
        await store.admit(instance(number, owner=owner), capacity=9)
    await store.update("i2", only_in=ALIVE, state=State.READY)
    assert [one.id for one in await store.list()] == ["i0", "i1", "i2"]
    assert [one.id for one in await store.list(owner="anna")] == ["i0", "i2"]
    assert [one.id for one in await store.list(owner="anna", states={State.READY})] == ["i2"]


async def test_what_was_begun_is_completed_though_the_caller_is_cancelled(
    store: Store, path: Path
) -> None:
    asking = asyncio.create_task(store.admit(instance(1), capacity=5))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await store.close()
    again = SqlStore(f"sqlite+aiosqlite:///{path}", SUBNET)
    assert await again.get("i1") is not None
    await again.close()


async def test_it_adopts_a_container_once(store: Store) -> None:
    assert await store.adopt(instance(1, state=State.READY))
    assert not await store.adopt(instance(1, state=State.READY))


async def test_it_keeps_the_latest_log_and_forgets_it_with_its_instance(store: Store) -> None:
    await store.admit(instance(1), capacity=9)
    await store.admit(instance(2), capacity=9)
    await store.save_log("i1", "first")
    await store.save_log("i1", "second")
    assert await store.log("i1") == "second"
    assert await store.log("i2") is None
    await store.update("i1", only_in=ALIVE, state=State.GONE, ended_at=NOW)
    assert await store.forget(ended_before=NOW) == 0
    assert await store.forget(ended_before=NOW + timedelta(seconds=1)) == 1
    assert await store.log("i1") is None
    assert [one.id for one in await store.list()] == ["i2"]


async def test_it_counts_launches_endings_and_start_up_times(store: Store) -> None:
    for number in range(1, 11):
        await store.admit(instance(number), capacity=20)
        ready_at = NOW + timedelta(seconds=number)
        await store.update(
            f"i{number}",
            only_in=ALIVE,
            state=State.READY,
            ready_at=ready_at,
            timings={"booting": 1.0},
        )
    await store.update("i1", only_in=ALIVE, state=State.GONE, reason=Reason.EXPIRED, ended_at=NOW)
    stats = await store.stats()
    assert stats.by_state == {"gone": 1, "ready": 9}
    assert stats.launches == {"wiki": 10}
    assert stats.endings == {"expired": 1}
    assert stats.startup == {"wiki": Percentiles(count=10, p50=5.0, p90=9.0, p99=10.0)}


async def test_the_migrations_make_the_tables_that_the_code_uses(store: Store, path: Path) -> None:
    with create_engine(f"sqlite:///{path}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


async def test_a_database_that_cannot_be_opened_is_told_as_unavailable(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite+aiosqlite:///{tmp_path}", SUBNET)  # a folder
    with pytest.raises(StoreUnavailable):
        await store.prepare()
    await store.close()
