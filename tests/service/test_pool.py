"""The warm pool: ready before anybody asks, handed over once, and never stale."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.distribution import Pool
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.errors import NotRenewable
from orchestrator.domain.models import Instance, Reason, State
from orchestrator.domain.safeguards import BanKind
from orchestrator.domain.weaker import Weaker
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import endings
from orchestrator.service import pool as pool_module
from orchestrator.service.readiness import Answer
from tests.support import ADMIN, ANNA, BEN, WIKI, Clock, World, running, with_pool

PLAIN = WIKI.model_copy(  # it has no pool
    update={
        "slug": "plain",
        "name": "Plain",
        "image": WIKI.image.model_copy(update={"ref": "test/plain:1"}),
    }
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried_pool")]


async def eventually(world: World, wanted: Callable[[list[Instance]], bool]) -> list[Instance]:
    """The pool's instances, once they are as wanted."""
    async with asyncio.timeout(5):
        while True:
            pooled = [one for one in world.services.ledger.live.values() if one.pooled]
            if wanted(pooled):
                return pooled
            await asyncio.sleep(0.005)


def ready(count: int) -> Callable[[list[Instance]], bool]:
    return lambda pooled: [one.state for one in pooled] == [State.READY] * count


async def test_a_launch_gets_a_ready_one_at_once_whatever_its_name(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [waiting] = await eventually(world, ready(1))
        world.engine.start_delay = 60  # nothing new can start
        claimed = await world.services.launcher.launch(ANNA, "wiki", name="My Site")
        assert (claimed.id, claimed.state, claimed.name) == (waiting.id, State.READY, "my-site")
        assert claimed.ready_at is not None
        assert claimed.expires_at - claimed.ready_at == timedelta(minutes=40)
        assert claimed.password == waiting.password


async def test_a_claim_asks_nothing_of_the_engine(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        await eventually(world, ready(1))
        world.engine.start_delay = 60
        before = len(world.engine.calls)
        await world.services.launcher.launch(ANNA, "wiki")
        beside_it = {("prepare", "")}  # whether the engine is there is asked all the time
        assert set(world.engine.calls[before:]) <= beside_it


async def test_it_is_refilled_and_two_visitors_never_get_the_same(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(2, 2)) as world:
        claimed = []
        for _ in range(6):
            await eventually(world, ready(2))
            claimed.append(await world.services.launcher.launch(ANNA, "wiki"))
        assert len({one.id for one in claimed}) == 6
        assert len({one.password for one in claimed}) == 6


async def test_of_many_who_ask_at_once_each_gets_one_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(3, 3), capacity=30) as world:
        await eventually(world, ready(3))
        launches = [world.launched(ANNA if n % 2 else BEN) for n in range(12)]
        instances = await asyncio.gather(*launches)
        assert len({one.id for one in instances}) == 12
        assert all(one.state is State.READY for one in instances)


async def test_one_that_is_still_starting_is_claimed_rather_than_another_started(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        world.engine.start_delay = 0.3
        await eventually(world, lambda pooled: len(pooled) == 1)
        world.services.pool._not_before["wiki"] = float("inf")  # it is not refilled
        claimed = await world.services.launcher.launch(ANNA, "wiki", lifetime=timedelta(minutes=2))
        assert claimed.state is State.STARTING
        served = await world.until(claimed.id, lambda now: now.state is State.READY)
        assert served.ready_at is not None
        assert served.expires_at - served.ready_at == timedelta(minutes=2)
        assert len(world.engine.host.containers) == 1


async def test_the_label_holds_the_deadline_past_which_nobody_may_keep_it(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1), max_lifetime="2h") as world:
        [pooled] = await eventually(world, ready(1))
        labels = world.engine.host.containers[world.engine.name_of(pooled.id)].labels
        assert labels["distros.pool"] == "true"
        hard = pooled.expires_at + timedelta(hours=2)
        assert labels["distros.expires-at"] == hard.isoformat()
        world.clock.advance(minutes=59)
        claimed = await world.services.launcher.launch(ANNA, "wiki")
        latest = claimed.created_at + timedelta(hours=2)
        assert claimed.id == pooled.id and latest <= hard


async def test_a_broken_one_is_replaced_unseen(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [broken] = await eventually(world, ready(1))
        world.probe.site = lambda instance_id: Answer(
            500 if instance_id == broken.id else 200, marker=instance_id, text="welcome"
        )
        [other] = await eventually(
            world, lambda pooled: ready(1)(pooled) and pooled[0].id != broken.id
        )
        assert (await world.services.launcher.launch(ANNA, "wiki")).id == other.id


async def test_one_that_was_not_checked_lately_is_not_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "FRESH", 0.0)
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [stale] = await eventually(world, ready(1))
        assert (await world.services.launcher.launch(ANNA, "wiki")).id != stale.id


async def test_a_crashed_one_is_not_handed_over(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [crashed] = await eventually(world, ready(1))
        await world.engine.host.crash(world.engine.name_of(crashed.id))
        await world.ended(crashed.id)
        assert (await world.services.launcher.launch(ANNA, "wiki")).id != crashed.id


async def test_one_that_nobody_claims_ends_at_its_deadline_and_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [old] = await eventually(world, ready(1))
        world.clock.advance(hours=1, minutes=1)
        [new] = await eventually(world, lambda pooled: ready(1)(pooled) and pooled[0].id != old.id)
        assert new.expires_at > old.expires_at
        assert (await world.ended(old.id)).reason is Reason.EXPIRED


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"NEW": "1"}},
        {"runtime": "runsc"},
        {"weaker": Weaker(writable_root="It writes all over.")},
        {},  # the image, then
    ],
)
async def test_it_is_recycled_when_the_distribution_or_its_image_changes(
    tmp_path: Path, change: dict[str, object]
) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host, catalog=with_pool(1, 1)) as world:
        [old] = await eventually(world, ready(1))
    async with running(tmp_path, host=host, catalog=with_pool(1, 1, **change)) as world:
        if not change:

            async def built_again(ref: str) -> str:
                return "sha256:built-again"

            world.engine.image_id = built_again  # type: ignore[method-assign]
            await world.services.images.look()
        [new] = await eventually(world, lambda pooled: ready(1)(pooled) and pooled[0].id != old.id)
        assert (await world.ended(old.id)).reason is Reason.DELETED
        assert (await world.services.launcher.launch(ANNA, "wiki")).id == new.id


async def test_after_a_restart_the_pool_is_as_it_was(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host, catalog=with_pool(2, 2)) as world:
        before = {one.id for one in await eventually(world, ready(2))}
    async with running(tmp_path, host=host, catalog=with_pool(2, 2)) as world:
        assert {one.id for one in await eventually(world, ready(2))} == before
        async with asyncio.timeout(2):  # once it has been checked anew
            while (await world.services.launcher.launch(ANNA, "wiki")).id not in before:
                await asyncio.sleep(0.01)


async def test_it_grows_with_demand_and_shrinks_when_it_is_over(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, catalog=with_pool(0, 4), clock=clock, capacity=500) as world:
        await asyncio.sleep(0.1)
        assert len(world.services.pool) == 0
        for _ in range(300):  # one a second for five minutes
            world.services.pace.arrived("wiki")
        await eventually(world, lambda pooled: len(pooled) >= 1)
        clock.advance(minutes=6)
        await eventually(world, lambda pooled: not pooled)


async def test_what_is_banned_is_not_kept_ready(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(2, 2)) as world:
        await eventually(world, ready(2))
        safety = world.services.safety
        ban = await safety.ban(BanKind.DISTRIBUTION, "wiki", shown="wiki", reason="", by="test")
        await eventually(world, ready(0))
        await safety.unban(ban.id)
        await eventually(world, ready(2))


async def test_it_shrinks_when_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = 8 * 1024**3
    monkeypatch.setattr("orchestrator.assembly.available_memory", lambda: spare)
    async with running(tmp_path, catalog=with_pool(3, 3)) as world:
        await eventually(world, ready(3))
        spare = 1024**3 - 1  # one byte less than the reserve
        await eventually(world, lambda pooled: not pooled)


async def test_all_pools_together_keep_the_limit(tmp_path: Path) -> None:
    other = WIKI.model_copy(
        update={
            "slug": "other",
            "name": "Other",
            "image": WIKI.image.model_copy(update={"ref": "test/other:1"}),
            "pool": Pool(min=3, max=3),
        }
    )
    host = FakeHost()
    host.images["test/other:1"] = {}
    catalog = Catalog([other, *with_pool(3, 3)])
    async with running(tmp_path, host=host, catalog=catalog, pool_limit=4) as world:
        pooled = await eventually(world, ready(4))
        assert {one.distribution for one in pooled} == {"other", "wiki"}
        await asyncio.sleep(0.1)
        assert len(world.services.pool) == 4


async def test_without_a_limit_there_is_no_pool(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(3, 3), pool_limit=0) as world:
        await asyncio.sleep(0.1)
        assert world.engine.host.containers == {}


async def test_where_every_place_is_taken_the_pool_gives_one_up_for_a_visitor(
    tmp_path: Path,
) -> None:
    host = FakeHost()
    host.images[PLAIN.image.ref] = {}
    catalog = Catalog([PLAIN, *with_pool(2, 2)])
    async with running(tmp_path, host=host, catalog=catalog, capacity=2, queue_limit=0) as world:
        await eventually(world, ready(2))
        assert (await world.launched(ANNA, "plain")).state is State.READY
        assert len(host.containers) == 2  # never more than the capacity


async def test_what_fails_again_and_again_is_started_less_and_less_often(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        world.engine.fail_next("start", EngineError("no space left on device"), times=1000)
        await asyncio.sleep(0.5)
        starts = [name for name, _ in world.engine.calls].count("start")
        assert 2 <= starts <= 5  # after 0, 0.05, 0.15, 0.35 s


async def test_what_is_in_the_pool_is_nobodys_business(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [pooled] = await eventually(world, ready(1))
        async with world.client() as anna, world.admin() as admin:
            assert "0 sites running now" in (await anna.get("/")).text
            host = f"{pooled.id}.sandbox.localhost:8080"
            assert (await anna.get("/", headers={"Host": host})).status_code == 404
            assert (await anna.get(f"/api/v1/instances/{pooled.id}")).status_code == 404
            assert (await admin.get("/api/v1/instances")).json() == {"instances": []}
            assert (await admin.get("/api/v1/pool")).json() == {
                "pool": [
                    {
                        "distribution": "wiki",
                        "ready": 1,
                        "starting": 0,
                        "target": 1,
                        "min": 1,
                        "max": 1,
                    }
                ]
            }
            assert (await anna.get("/api/v1/pool")).status_code == 401
            stats = (await anna.get("/api/v1/stats")).json()
            assert (stats["live"], stats["pooled"], stats["launches"]) == (1, 1, {})
        with pytest.raises(NotRenewable):
            await world.services.leases.renew(ADMIN, pooled.id)


async def test_a_click_on_a_pooled_one_leads_to_the_site_itself(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        [pooled] = await eventually(world, ready(1))
        async with world.client() as anna:
            form = {"distribution": "wiki", "name": "Anna's"}
            answer = await anna.submit("/launch", data=form)
            assert answer.status_code == 303
            site = f"http://anna-s-{pooled.id}.sandbox.localhost:8080/"
            assert answer.headers["location"].startswith(site)
            policy = (await anna.get("/")).headers["content-security-policy"]
            assert "form-action 'self' http://*.sandbox.localhost:8080;" in policy


async def test_a_repeated_request_claims_once(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(2, 2)) as world:
        await eventually(world, ready(2))
        launch = world.services.launcher.launch
        both = await asyncio.gather(*(launch(ANNA, "wiki", request_key="k") for _ in range(5)))
        assert len({one.id for one in both}) == 1


async def test_what_a_visitor_has_had_never_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world:
        await eventually(world, ready(1))
        claimed = await world.services.launcher.launch(ANNA, "wiki")
        await world.services.leases.delete(ANNA, claimed.id)
        await world.ended(claimed.id)
        assert (await world.launched(BEN)).id != claimed.id


async def test_one_that_cannot_be_removed_does_not_keep_the_others_from_giving_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "PATIENCE", 0.05)
    host = FakeHost()
    host.images[PLAIN.image.ref] = {}
    catalog = Catalog([PLAIN, *with_pool(2, 2)])
    async with running(tmp_path, host=host, capacity=2, catalog=catalog) as world:
        pooled = [one.id for one in await eventually(world, ready(2))]
        real = world.engine.remove

        async def remove(instance_id: str) -> None:
            if instance_id == pooled[0]:
                raise EngineError("The container cannot be killed.")
            await real(instance_id)

        world.engine.remove = remove  # type: ignore[method-assign]
        async with asyncio.timeout(5):
            assert (await world.launched(ANNA, "plain")).state is State.READY
