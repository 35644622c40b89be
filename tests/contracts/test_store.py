"""What every store promises; run against SQLite."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from orchestrator.domain.addresses import AddressPlan
from orchestrator.domain.errors import RenewalBanned
from orchestrator.domain.history import Count, Start, What
from orchestrator.domain.limits import Allowance, Quota
from orchestrator.domain.measures import Percentiles
from orchestrator.domain.models import (
    ALIVE,
    LIVE,
    PLACED,
    SYNTHETIC,
    UNASSIGNED,
    Claim,
    Instance,
    Reason,
    Stage,
    State,
)
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.domain.safeguards import AdminSession, AuditEntry, Ban, BanKind
from orchestrator.store.base import Store
from orchestrator.store.sql import SqlStore
from orchestrator.store.tables import metadata

pytestmark = pytest.mark.anyio

SUBNET = IPv4Network("10.99.0.0/24")
PLAN = AddressPlan(SUBNET)
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
    made = SqlStore(f"sqlite+aiosqlite:///{path}", PLAN)
    await made.prepare()
    yield made
    await made.close()


async def placed(
    store: Store, number: int, capacity: int = 100, **changes: object
) -> Instance | None:
    """Admitted, and given its place if there is one."""
    made = instance(number, **changes)
    await store.admit(made, room=1000)
    return await store.place(made.id, capacity=capacity, expires_at=made.expires_at)


async def pooled(store: Store, number: int, state: State = State.READY) -> Instance:
    made = instance(number, owner="", state=State.STARTING, pooled=True, fingerprint="f")
    stocked = await store.stock(made, capacity=100)
    assert stocked is not None
    if state is State.READY:
        ready = await store.make_ready(made.id, now=NOW, timings={"booting": 1.0})
        assert ready is not None
        return ready
    return stocked


async def claim(
    store: Store, instance_id: str, owner: str = "anna", request_key: str | None = None
) -> Instance | None:
    moment = NOW + timedelta(minutes=1)
    lifetime = timedelta(minutes=5)
    wanted = Claim(owner, "my-site", lifetime, moment, moment + lifetime, request_key)
    return await store.claim(instance_id, wanted)


async def test_it_gives_back_what_was_admitted_and_an_address_with_its_place(store: Store) -> None:
    asked = instance(1, name="my-site", password="secret", timings={"image": 0.5})
    assert await store.admit(asked, room=5) == asked
    assert await store.get("i1") == asked
    assert await store.get("i2") is None
    later = NOW + timedelta(hours=1)
    started = await store.place("i1", capacity=5, expires_at=later)
    assert started == replace(
        asked,
        state=State.STARTING,
        stage=Stage.CONTAINER,
        address=IPv4Address("10.99.0.16"),
        expires_at=later,
    )


async def test_it_never_gives_more_places_than_the_capacity_however_many_race(
    store: Store,
) -> None:
    for number in range(40):
        await store.admit(instance(number), room=40)
    racers = [
        store.place(f"i{number}", capacity=7, expires_at=NOW) for number in range(40) for _ in "ab"
    ]
    winners = {found.id: found for found in await asyncio.gather(*racers) if found}
    assert len(winners) == 7
    assert len({found.address for found in winners.values()}) == 7
    assert len(await store.list(states=PLACED)) == 7
    assert len(await store.list(states={State.QUEUED})) == 33


async def test_beyond_its_room_nobody_is_admitted_however_many_race(store: Store) -> None:
    racers = [store.admit(instance(number), room=7) for number in range(40)]
    assert len([found for found in await asyncio.gather(*racers) if found]) == 7


async def test_the_pool_takes_no_room_from_those_who_launch(store: Store) -> None:
    await pooled(store, 1)
    assert await store.admit(instance(2), room=1) is not None
    assert await store.admit(instance(3), room=1) is None


async def test_the_pool_takes_no_place_from_those_who_wait(store: Store) -> None:
    await store.admit(instance(1), room=5)
    made = instance(2, owner="", state=State.STARTING, pooled=True)
    assert await store.stock(made, capacity=1) is None
    assert await store.stock(made, capacity=2) is not None


async def test_what_is_stopping_holds_its_place_until_it_is_gone(store: Store) -> None:
    await placed(store, 1)
    await store.update("i1", only_in=ALIVE, state=State.STOPPING, reason=Reason.DELETED)
    assert await placed(store, 2, capacity=1) is None
    await store.update("i1", only_in={State.STOPPING}, state=State.GONE, ended_at=NOW)
    assert await placed(store, 3, capacity=1) is not None


async def test_what_does_not_queue_any_more_is_answered_as_it_is(store: Store) -> None:
    await store.admit(instance(1), room=5)
    await store.update("i1", only_in=ALIVE, state=State.GONE, ended_at=NOW)
    gone = await store.place("i1", capacity=5, expires_at=NOW)
    assert gone is not None and gone.state is State.GONE


async def test_no_address_is_given_again_before_all_others_were(store: Store) -> None:
    given = []
    for number in range(245):
        found = await placed(store, number, capacity=1)
        assert found is not None
        given.append(found.address)
        await store.update(found.id, only_in=LIVE, state=State.GONE, ended_at=NOW)
    usable = [address for address in SUBNET.hosts() if address >= IPv4Address("10.99.0.16")]
    assert given == (usable * 2)[:245]


async def test_those_with_the_internet_have_addresses_of_their_own_that_go_round_too(
    path: Path,
) -> None:
    out = IPv4Network("10.98.0.0/24")
    store = SqlStore(f"sqlite+aiosqlite:///{path}", AddressPlan(SUBNET, egress=out))
    await store.prepare()
    given: dict[bool, list[IPv4Address]] = {False: [], True: []}
    for number in range(300):
        egress = number % 3 == 0
        made = instance(number)
        await store.admit(made, room=1)
        found = await store.place(made.id, capacity=1, expires_at=NOW, egress=egress)
        assert found is not None
        given[egress].append(found.address)
        if number == 297:
            moved = await store.move(made.id, egress=egress)
            assert moved is not None
            given[egress].append(moved.address)
        await store.update(made.id, only_in=LIVE, state=State.GONE, ended_at=NOW)
    assert given[True] == [out[16 + number] for number in range(101)]
    assert given[False] == [SUBNET[16 + number] for number in range(200)]
    pooled = instance(300, owner="", state=State.STARTING, pooled=True)
    stocked = await store.stock(pooled, capacity=1, egress=True)
    assert stocked is not None and stocked.address == out[117]
    await store.close()


async def test_where_nobody_reaches_the_internet_whoever_asks_gets_a_place_like_others(
    store: Store,
) -> None:
    """So that it fails with the engine's reason, and holds up nobody."""
    await store.admit(instance(1), room=9)
    placed = await store.place("i1", capacity=1, expires_at=NOW, egress=True)
    assert placed is not None and placed.address == SUBNET[16]


async def test_a_launch_under_way_moves_to_the_next_address(store: Store) -> None:
    await store.admit(instance(1), room=9)
    placed = await store.place("i1", capacity=1, expires_at=NOW)
    assert placed is not None

    moved = await store.move("i1")

    assert moved == replace(placed, address=placed.address + 1)
    await store.admit(instance(2), room=9)
    after = await store.place("i2", capacity=2, expires_at=NOW)
    assert after is not None and after.address == placed.address + 2


async def test_what_is_not_under_way_does_not_move(store: Store) -> None:
    await store.admit(instance(1), room=9)
    assert await store.move("i1") is None
    await store.place("i1", capacity=1, expires_at=NOW)
    await store.update("i1", only_in=ALIVE, state=State.STOPPING)
    assert await store.move("i1") is None
    assert await store.move("i2") is None


async def test_a_claim_makes_a_ready_one_the_visitors_own(store: Store) -> None:
    before = await pooled(store, 1)
    claimed = await claim(store, "i1")
    assert claimed == replace(
        before,
        pooled=False,
        owner="anna",
        name="my-site",
        lifetime=timedelta(minutes=5),
        created_at=NOW + timedelta(minutes=1),
        ready_at=NOW + timedelta(minutes=1),
        expires_at=NOW + timedelta(minutes=6),
    )


async def test_what_is_claimed_while_it_starts_begins_its_lease_when_it_is_ready(
    store: Store,
) -> None:
    await pooled(store, 1, State.STARTING)
    claimed = await claim(store, "i1")
    assert claimed is not None and (claimed.state, claimed.ready_at) == (State.STARTING, None)
    later = NOW + timedelta(minutes=2)
    ready = await store.make_ready("i1", now=later, timings={})
    assert ready is not None and ready.expires_at == later + timedelta(minutes=5)


async def test_an_unclaimed_one_keeps_its_end_when_it_is_ready(store: Store) -> None:
    assert (await pooled(store, 1)).expires_at == NOW + timedelta(minutes=40)


async def test_of_many_racing_claims_one_wins(store: Store) -> None:
    await pooled(store, 1)
    claims = await asyncio.gather(*(claim(store, "i1", f"v{number}") for number in range(40)))
    [winner] = [claimed for claimed in claims if claimed]
    assert await store.get("i1") == winner


@pytest.mark.parametrize(
    "changes", [{"state": State.STOPPING}, {"state": State.GONE}, {"expires_at": NOW}]
)
async def test_what_is_over_cannot_be_claimed(store: Store, changes: dict[str, Any]) -> None:
    await pooled(store, 1)
    await store.update("i1", only_in=ALIVE, **changes)
    assert await claim(store, "i1") is None


async def test_a_claim_with_a_repeated_request_key_is_the_same_launch(store: Store) -> None:
    for number in (1, 2):
        await pooled(store, number)
    first = await claim(store, "i1", request_key="k")
    assert await claim(store, "i2", request_key="k") == first
    assert sum(one.pooled for one in await store.list()) == 1


async def test_a_change_may_ask_for_what_is_in_the_pool(store: Store) -> None:
    await pooled(store, 1)
    assert await store.update("i1", only_in=ALIVE, pooled=False, detail="no") is None
    assert await store.update("i1", only_in=ALIVE, pooled=True, detail="yes") is not None


async def test_it_moves_every_moment_of_what_lives_and_nothing_else(store: Store) -> None:
    queued = await store.admit(instance(1), room=9)
    ready = await pooled(store, 2)
    await store.admit(instance(3), room=9)
    gone = await store.update("i3", only_in=ALIVE, state=State.GONE, ended_at=NOW)
    assert queued is not None and gone is not None
    by = timedelta(hours=-1)
    expected = (
        replace(queued, created_at=NOW + by, expires_at=queued.expires_at + by),
        replace(ready, created_at=NOW + by, ready_at=NOW + by, expires_at=ready.expires_at + by),
    )
    assert await store.shift(by) == expected
    assert await store.list() == (*expected, gone)


async def test_it_remembers_what_was_measured_and_asked_for(store: Store) -> None:
    await pooled(store, 1)
    await pooled(store, 2, State.STARTING)
    await placed(store, 3, created_at=NOW - timedelta(hours=1))
    await store.make_ready("i3", now=NOW, timings={"booting": 2.0})
    assert await store.measured(5) == (("wiki", {"booting": 1.0}), ("wiki", {"booting": 2.0}))
    assert await store.measured(1) == (("wiki", {"booting": 2.0}),)
    assert await store.arrivals(NOW) == ()
    assert await store.arrivals(NOW - timedelta(hours=2)) == (("wiki", NOW - timedelta(hours=1)),)
    assert await store.last_ready() == {"wiki": NOW}


async def test_a_repeated_request_key_is_the_same_launch(store: Store) -> None:
    first = await store.admit(instance(1), room=5, request_key="k")
    assert await store.admit(instance(2), room=5, request_key="k") == first
    other = await store.admit(instance(3, owner="ben"), room=5, request_key="k")
    assert other is not None and other.id == "i3"


async def test_a_change_applies_only_in_the_named_states(store: Store) -> None:
    await store.admit(instance(1), room=5)
    assert await store.update("i1", only_in={State.READY}, stage=Stage.BOOTING) is None
    changed = await store.update(
        "i1", only_in={State.QUEUED}, state=State.STARTING, stage=Stage.BOOTING
    )
    assert changed is not None
    assert (changed.state, changed.stage) == (State.STARTING, Stage.BOOTING)


async def test_of_many_racing_endings_one_wins(store: Store) -> None:
    await store.admit(instance(1), room=5)
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
    await store.admit(instance(1), room=5)
    end, later = NOW + timedelta(minutes=40), NOW + timedelta(hours=1)

    async def renew(was: datetime, now: datetime) -> bool:
        return await store.renew("i1", was=was, now=now, until=later) is not None

    assert not await renew(end, NOW)  # not ready yet
    await store.update("i1", only_in=ALIVE, state=State.READY)
    assert not await renew(end - timedelta(seconds=1), NOW)  # somebody else renewed it
    assert not await renew(end, end)  # over
    assert await renew(end, NOW)
    renewed = await store.get("i1")
    assert renewed is not None and renewed.expires_at == later


@pytest.mark.parametrize(
    ("kind", "key", "asks_from", "refused"),
    [
        (BanKind.VISITOR, "anna", "", True),
        (BanKind.VISITOR, "ann", "", False),
        (BanKind.DISTRIBUTION, "wiki", "", True),
        (BanKind.ADDRESS, "launched-from", "elsewhere", True),
        (BanKind.ADDRESS, "elsewhere", "elsewhere", True),
        (BanKind.ADDRESS, "elsewhere", "", False),
        (BanKind.ADDRESS, "anna", "elsewhere", False),
        (BanKind.VISITOR, "anna", None, False),  # an admin asks
    ],
)
async def test_a_ban_refuses_a_renewal_and_leaves_the_lease_as_it_is(
    store: Store, kind: BanKind, key: str, asks_from: str | None, refused: bool
) -> None:
    quota = Quota("anna", "launched-from", "", "wiki", Allowance({}, {}), NOW)
    await store.admit(instance(1), room=5, quota=quota)
    before = await store.update("i1", only_in=ALIVE, state=State.READY)
    assert before is not None
    await store.safeguards.add_ban(Ban("b", kind, key, key, "Spam.", NOW, "admin"))
    later = NOW + timedelta(hours=1)

    async def renew() -> Instance | None:
        return await store.renew(
            "i1", was=before.expires_at, now=NOW, until=later, address=asks_from
        )

    if refused:
        with pytest.raises(RenewalBanned):
            await renew()
    assert await store.get("i1") == before if refused else await renew()


async def test_it_knows_visitors_by_the_beginning_of_their_code(store: Store) -> None:
    for number, owner in enumerate(("v-ab1", "v-ab1", "v-ab2", "v-b%_", "token:v-ab")):
        await store.admit(instance(number, owner=owner), room=9)
    assert await store.safeguards.visitors("v-ab1") == ("v-ab1",)
    assert set(await store.safeguards.visitors("v-ab")) == {"v-ab1", "v-ab2"}
    for none in ("v-c", "v-%", "v-ab_"):
        assert await store.safeguards.visitors(none) == ()


async def test_nobody_renews_what_is_in_the_pool(store: Store) -> None:
    before = await pooled(store, 1)
    later = NOW + timedelta(hours=1)
    assert await store.renew("i1", was=before.expires_at, now=NOW, until=later) is None


async def test_it_lists_by_owner_and_state_oldest_first(store: Store) -> None:
    for number, owner in enumerate(("anna", "ben", "anna")):
        await store.admit(instance(number, owner=owner), room=9)
    await store.update("i2", only_in=ALIVE, state=State.READY)
    assert [one.id for one in await store.list()] == ["i0", "i1", "i2"]
    assert [one.id for one in await store.list(owner="anna")] == ["i0", "i2"]
    assert [one.id for one in await store.list(owner="anna", states={State.READY})] == ["i2"]


async def test_what_was_begun_is_completed_though_the_caller_is_cancelled(
    store: Store, path: Path
) -> None:
    asking = asyncio.create_task(store.admit(instance(1), room=5))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await store.close()
    again = SqlStore(f"sqlite+aiosqlite:///{path}", PLAN)
    assert await again.get("i1") is not None
    await again.close()


async def test_it_adopts_a_container_once(store: Store) -> None:
    assert await store.adopt(instance(1, state=State.READY))
    assert not await store.adopt(instance(1, state=State.READY))


async def test_it_keeps_the_latest_log_and_forgets_it_with_its_instance(store: Store) -> None:
    await store.admit(instance(1), room=9)
    await store.admit(instance(2), room=9)
    await store.save_log("i1", "first")
    await store.save_log("i1", "second")
    assert await store.log("i1") == "second"
    assert await store.log("i2") is None
    await store.update("i1", only_in=ALIVE, state=State.GONE, ended_at=NOW)
    assert await store.forget(ended_before=NOW) == 0
    assert await store.forget(ended_before=NOW + timedelta(seconds=1)) == 1
    assert await store.log("i1") is None
    assert [one.id for one in await store.list()] == ["i2"]


async def test_it_forgets_old_logs_before_their_instances(store: Store) -> None:
    for number in (1, 2, 3):
        await store.admit(instance(number), room=9)
        await store.save_log(f"i{number}", "text")
    await store.update("i1", only_in=ALIVE, state=State.GONE, ended_at=NOW)
    later = NOW + timedelta(hours=1)
    await store.update("i2", only_in=ALIVE, state=State.GONE, ended_at=later)
    assert await store.forget_logs(ended_before=later) == 1
    assert [await store.log(f"i{number}") for number in (1, 2, 3)] == [None, "text", "text"]
    assert len(await store.list()) == 3


async def test_it_counts_launches_endings_and_start_up_times(store: Store) -> None:
    for number in range(1, 11):
        await store.admit(instance(number), room=20)
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
    store = SqlStore(f"sqlite+aiosqlite:///{tmp_path}", PLAN)  # a folder
    with pytest.raises(StoreUnavailable):
        await store.prepare()
    await store.close()


async def test_it_keeps_an_admins_sessions_until_they_are_ended(store: Store) -> None:
    first, second = (
        AdminSession(digest, "s", NOW + timedelta(seconds=at), NOW + timedelta(hours=12))
        for at, digest in enumerate("ba")
    )
    for session in (second, first):
        await store.safeguards.add_admin_session(session)
    assert await store.safeguards.admin_sessions() == (first, second)
    await store.safeguards.end_admin_sessions(["b", "unknown"])
    assert await store.safeguards.admin_sessions() == (second,)
    await store.safeguards.end_admin_sessions([])
    assert await store.safeguards.admin_sessions() == (second,)


async def test_the_record_has_who_what_and_from_where_newest_first(store: Store) -> None:
    entries = [
        AuditEntry(NOW, "admin page", action, "x", "ok", "203.0.113.7") for action in ("a", "b")
    ]
    for entry in entries:
        await store.safeguards.note(entry)
    assert await store.safeguards.audit(2) == tuple(reversed(entries))


TODAY = NOW.date()


async def told(store: Store, since: date = TODAY) -> list[Count]:
    return sorted(await store.counts(since), key=lambda each: (each.what, each.key, each.n))


async def test_launches_and_endings_count_by_day_and_go_on_counting_when_forgotten(
    store: Store,
) -> None:
    await placed(store, 1)
    await pooled(store, 2)
    await claim(store, "i2", "ben")
    await pooled(store, 3)  # nobody's
    await placed(store, 4, owner=SYNTHETIC)
    await placed(store, 5, created_at=NOW - timedelta(days=3))
    for number in (1, 3, 4, 5):
        await store.update(
            f"i{number}", only_in=ALIVE, state=State.GONE, reason=Reason.EXPIRED, ended_at=NOW
        )
    expected = [
        Count(TODAY, "wiki", What.ENDING, "expired", 2),
        Count(TODAY, "wiki", What.LAUNCH, "cold", 1),
        Count(TODAY, "wiki", What.LAUNCH, "pool", 1),
    ]
    assert await told(store) == expected
    assert await store.forget(ended_before=NOW + timedelta(seconds=1)) == 4
    assert len(await store.list()) == 1
    assert await told(store) == expected
    earlier = await told(store, TODAY - timedelta(days=5))
    assert Count(TODAY - timedelta(days=3), "wiki", What.LAUNCH, "cold", 1) in earlier


async def test_what_is_forgotten_bit_by_bit_adds_up(store: Store) -> None:
    for number in range(4):
        await placed(store, number)
        later = NOW + timedelta(minutes=number)
        await store.update(f"i{number}", only_in=ALIVE, state=State.GONE, ended_at=later)
        await store.forget(ended_before=later + timedelta(seconds=1))
    assert await told(store) == [
        Count(TODAY, "wiki", What.ENDING, "removed_outside", 4),
        Count(TODAY, "wiki", What.LAUNCH, "cold", 4),
    ]


async def test_a_count_is_added_kept_and_forgotten_when_it_is_old(store: Store) -> None:
    before = TODAY - timedelta(days=1)
    for day in (before, TODAY, TODAY):
        await store.count(Count(day, "hello", What.SYNTHETIC, "worked", 1))
    assert await told(store, before) == [
        Count(before, "hello", What.SYNTHETIC, "worked", 1),
        Count(TODAY, "hello", What.SYNTHETIC, "worked", 2),
    ]
    await store.forget_counts(before=TODAY)
    assert [each.day for each in await told(store, before)] == [TODAY]


async def test_starts_are_told_with_where_they_came_from(store: Store) -> None:
    await placed(store, 1)
    later = NOW + timedelta(seconds=9)
    await store.make_ready("i1", now=later, timings={"queued": 5.0, "booting": 4.0})
    await pooled(store, 2)
    await claim(store, "i2")
    await pooled(store, 3)
    assert await store.starts(9) == (
        Start("wiki", "pool", 1.0, None),
        Start("wiki", "pool", 1.0, 0.0),
        Start("wiki", "cold", 4.0, 9.0),
    )
    assert await store.starts(1) == (Start("wiki", "pool", 1.0, None),)
