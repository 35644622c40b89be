"""The pool and the queue on bad days: outages, restarts, lost rows, slow answers."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, text

from orchestrator.catalog import Catalog
from orchestrator.domain.models import Caller, State
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.fake_host import FakeHost
from orchestrator.layout import address_plan
from orchestrator.service import images as images_module
from orchestrator.service import pool as pool_module
from orchestrator.service import pool_care
from orchestrator.service.readiness import Answer
from orchestrator.settings import InvalidSettings, load_settings
from orchestrator.store.database import MIGRATIONS, create_engine
from orchestrator.store.sql import SqlStore
from orchestrator.store.tables import instances
from orchestrator.web.documents import shown_to
from tests.support import ADMIN, ANNA, BEN, WIKI, Clock, World, running, settings, with_pool

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried_pool")]


async def ready(world: World, count: int) -> set[str]:
    async with asyncio.timeout(5):
        while True:
            pooled = [one for one in world.services.ledger.live.values() if one.pooled]
            if [one.state for one in pooled] == [State.READY] * count:
                return {one.id for one in pooled}
            await asyncio.sleep(0.005)


async def in_time(condition: Any, seconds: float = 3) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_backing_off_works_after_a_thousand_failures(tmp_path: Path) -> None:
    """300 s each: three and a half days of a distribution that does not come up."""
    async with running(tmp_path) as world:
        world.services.pool._failures["wiki"] = 1100
        world.services.pool.back_off("wiki")


async def test_the_migration_keeps_the_logs(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/old.db"
    engine = create_engine(url)

    def to_first(connection: Any) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async with engine.begin() as connection:
        await connection.run_sync(to_first)
        await connection.execute(
            text(
                "INSERT INTO instances (id, distribution, owner, state, stage, address, lifetime,"
                " created_at, expires_at, ended_at, timings) VALUES ('abcdefghijkm', 'wiki',"
                " 'v-anna', 'gone', 'ready', '10.99.0.16', 60, '2026-01-01 00:00:00',"
                " '2026-01-01 00:01:00', '2026-01-01 00:01:00', '{}')"
            )
        )
        await connection.execute(text("INSERT INTO logs VALUES ('abcdefghijkm', 'hello')"))
    await engine.dispose()
    store = SqlStore(url, address_plan(settings(tmp_path)))
    await store.prepare()
    try:
        assert await store.log("abcdefghijkm") == "hello"
    finally:
        await store.close()


async def test_arrivals_of_a_distribution_without_a_pool_are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, clock=clock) as world:
        pace = world.services.pace
        for _ in range(1000):
            pace.arrived("wiki")
        clock.advance(hours=1)
        pace.arrived("wiki")
        await asyncio.sleep(0.1)
        assert len(pace._arrivals["wiki"]) == 1


async def test_a_queue_waits_for_an_engine_that_is_away_for_a_moment(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=50, start_concurrency=2) as world:
        world.engine.start_delay = 0.2
        waiting = [
            await world.services.launcher.launch(Caller(f"v-{n}"), "wiki") for n in range(12)
        ]
        await asyncio.sleep(0.05)
        await world.lose_engine()
        await asyncio.sleep(3)
        world.engine.unavailable = False
        world.engine.start_delay = 0
        states = [
            (await world.until(one.id, lambda now: not now.state.pending)).state for one in waiting
        ]
        assert states.count(State.READY) >= 10


async def test_a_proxy_that_restarts_costs_the_pool_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(3, 3)) as world:
        before = await ready(world, 3)
        world.probe.site = lambda instance_id: Answer(None, error="connection refused")
        await asyncio.sleep(0.3)
        world.probe.site = lambda instance_id: Answer(200, marker=instance_id, text="welcome")
        assert await ready(world, 3) == before


async def test_a_restart_while_the_engine_is_away_keeps_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host, catalog=with_pool(2, 2)) as world:
        before = await ready(world, 2)

    async def away(self: Any, ref: str) -> None:
        raise EngineUnavailable("The Docker Engine cannot be reached.")

    with monkeypatch.context() as patched:
        patched.setattr("orchestrator.engine.fake.FakeEngine.image_id", away)
        async with running(tmp_path, host=host, catalog=with_pool(2, 2)) as world:
            await asyncio.sleep(0.2)
            pooled = [one for one in world.services.ledger.live.values() if one.pooled]
            assert {one.id for one in pooled if one.state is State.READY} == before


async def test_a_waiting_launch_whose_row_is_lost_does_not_stop_the_queue(tmp_path: Path) -> None:
    """A database that was restored, or a failover that lost the last transactions."""
    async with running(tmp_path, capacity=1) as world:
        first = await world.launched(ADMIN)
        lost = await world.services.launcher.launch(ANNA, "wiki")
        behind = await world.services.launcher.launch(BEN, "wiki")
        store: Any = world.services.ledger.store
        async with store._writing() as connection:
            await connection.execute(delete(instances).where(instances.c.id == lost.id))
        await world.services.ledger.load()  # as at each list
        await world.services.leases.delete(ADMIN, first.id)
        async with asyncio.timeout(4):
            await world.until(behind.id, lambda now: now.state is State.READY)


async def test_a_lease_whose_row_is_lost_is_not_asked_for_without_end(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, clock=clock) as world:
        lost = await world.launched(ANNA)
        store: Any = world.services.ledger.store
        async with store._writing() as connection:
            await connection.execute(delete(instances).where(instances.c.id == lost.id))
        asked = 0
        real = store.get

        async def get(instance_id: str) -> Any:
            nonlocal asked
            asked += 1
            return await real(instance_id)

        store.get = get
        clock.advance(hours=1)
        await asyncio.sleep(1.5)
        assert asked < 10


async def test_missing_images_are_brought_though_the_engine_was_away_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "LOOK_INTERVAL", 0.02)
    pulled = WIKI.model_copy(
        update={"image": WIKI.image.model_copy(update={"ref": "test/pulled:1", "build": False})}
    )
    host = FakeHost()
    real = images_module.Images.first_look

    async def first_look(self: Any) -> None:
        self._engine.unavailable = True
        await real(self)

    monkeypatch.setattr(images_module.Images, "first_look", first_look)
    async with running(tmp_path, host=host, catalog=Catalog([pulled]), bring_images=True) as world:
        await asyncio.sleep(0.1)
        world.engine.unavailable = False
        await world.services.images.look()  # as at the list with which it comes back
        await in_time(lambda: "test/pulled:1" in host.images)


async def test_renewals_leave_nothing_behind(tmp_path: Path) -> None:
    """While any other site ends sooner."""
    async with running(tmp_path) as world:
        await world.launched(BEN)
        one = await world.launched(ANNA)
        for _ in range(200):
            await world.services.leases.renew(ANNA, one.id)
        deadlines = world.services.launcher._deadlines
        deadlines.next()
        assert len(deadlines._heap) < 100


async def test_a_slow_pull_does_not_keep_others_from_starting(tmp_path: Path) -> None:
    far = WIKI.model_copy(
        update={
            "slug": "far",
            "name": "Far",
            "image": WIKI.image.model_copy(update={"ref": "test/far:1", "build": False}),
        }
    )
    async with running(tmp_path, catalog=Catalog([WIKI, far]), start_concurrency=2) as world:

        async def pull(ref: str) -> Any:
            await asyncio.sleep(30)
            yield None

        world.engine.pull = pull  # type: ignore[method-assign]
        for n in range(2):
            await world.services.launcher.launch(Caller(f"v-{n}"), "far")
        async with asyncio.timeout(2):
            assert (await world.launched(ANNA, "wiki")).state is State.READY


async def test_one_that_should_have_been_ready_long_ago_is_not_handed_over(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        stuck: list[str] = []

        def site(instance_id: str) -> Answer:
            if not stuck:
                stuck.append(instance_id)  # the first one hangs; all others are well
            good = instance_id not in stuck
            return Answer(200 if good else 500, marker=instance_id, text="welcome")

        world.probe.site = site
        for _ in range(20):  # starts take a tenth of a second as a rule
            world.services.pace._starts["wiki"].append({"container": 0.05, "booting": 0.05})
        await in_time(lambda: stuck)
        await asyncio.sleep(2)
        launched = await world.launched(ANNA, "wiki")
        assert launched.state is State.READY


async def test_where_addresses_are_fewer_than_places_the_settings_say_so(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidSettings, match="DISTROS_SUBNET: must have 500 addresses"):
        load_settings(subnet="10.99.0.0/24", capacity=500)


@pytest.mark.parametrize(
    ("egress", "said"),
    [
        ("10.99.128.0/24", "must not overlap with DISTROS_SUBNET"),
        ("10.98.0.0/25", "must have 200 addresses to give"),
        ("10.98.0.0/24", "must have 500 addresses to give"),
    ],
)
def test_a_subnet_for_the_internet_that_cannot_be_is_refused(egress: str, said: str) -> None:
    capacity = 500 if "500" in said else 20
    with pytest.raises(InvalidSettings, match=said):
        load_settings(subnet="10.99.0.0/16", capacity=capacity, egress_subnet=egress)


async def test_other_bounds_of_the_pool_do_not_recycle_it(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host, catalog=with_pool(2, 2)) as world:
        before = await ready(world, 2)
    async with running(tmp_path, host=host, catalog=with_pool(2, 3)) as world:
        await asyncio.sleep(0.3)
        assert before <= set(world.services.ledger.live)
        states = [world.services.ledger.live[one].state for one in before]
        assert states == [State.READY] * 2


async def test_slow_answers_do_not_make_the_pool_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 25 s, of a time that passes only when all who may ask at once are asking."""
    now = 0.0
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(pool_care, "CHECK_INTERVAL", 20.0)
    async with running(tmp_path, catalog=with_pool(6, 6)) as world:
        await ready(world, 6)
        real, asking = world.probe.ask, list[asyncio.Future[None]]()

        async def slowly(host: str, path: str) -> Answer:
            answer_comes = asyncio.get_running_loop().create_future()
            asking.append(answer_comes)
            await answer_comes
            return await real(host, path)

        world.probe.ask = slowly  # type: ignore[method-assign]
        pool, oldest = world.services.pool, 0.0
        now = 20.0  # every check is due
        for turn in range(18):
            now += 0.0 if asking else 2.0  # between two rounds
            await in_time(lambda: asking, 30)
            for _ in range(20):  # the others of its round ask in the same moment
                await asyncio.sleep(0)
            now += 25.0
            if turn >= 6:  # by then each round follows the one before
                oldest = max(oldest, *map(pool.since_passed, pool.members()))
            for answer_comes in asking:
                answer_comes.set_result(None)
            asking.clear()
            for _ in range(20):
                await asyncio.sleep(0)
        assert 25.0 < oldest < pool_module.FRESH
        assert len(pool) == 6


async def test_a_start_that_takes_longer_than_ever_is_not_told_to_take_a_second(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        for _ in range(20):
            world.services.pace._starts["wiki"].append({"container": 0.05, "booting": 0.05})
        world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
        one = await world.services.launcher.launch(ANNA, "wiki")
        await asyncio.sleep(1.5)
        document = shown_to(world.services, ANNA, world.services.ledger.live[one.id])
        assert document.state is State.STARTING and document.estimate is None


async def test_the_estimate_knows_what_those_ahead_take(tmp_path: Path) -> None:
    host = FakeHost()
    slow = WIKI.model_copy(
        update={
            "slug": "slow",
            "name": "Slow",
            "image": WIKI.image.model_copy(update={"ref": "test/slow:1"}),
        }
    )
    host.images["test/slow:1"] = {}
    catalog = Catalog([WIKI, slow])
    async with running(tmp_path, host=host, catalog=catalog, start_concurrency=1) as world:
        world.engine.start_delay = 30
        world.services.pace._starts["wiki"].append({"container": 0.1})
        world.services.pace._starts["slow"].append({"container": 30.0})
        for n in range(5):
            await world.services.launcher.launch(Caller(f"v-{n}"), "slow")
        last = await world.services.launcher.launch(ANNA, "wiki")
        estimate = shown_to(world.services, ANNA, last).estimate
        assert estimate is not None and estimate.usual > 60


def test_an_egress_subnet_that_compose_hands_over_empty_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISTROS_EGRESS_SUBNET", "")
    assert load_settings().egress_subnet is None
