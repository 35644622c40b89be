"""From the request to ready, or to a truthful failure."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.errors import (
    IdempotencyConflict,
    InvalidLifetime,
    InvalidName,
    UnknownDistribution,
)
from orchestrator.domain.models import Reason, Stage, State
from orchestrator.domain.outages import (
    CapacityReached,
    EngineUnavailable,
    ImageMissing,
    ProxyUnavailable,
)
from orchestrator.domain.weaker import Weaker
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service.readiness import Answer
from tests.support import ADMIN, ANNA, BEN, WIKI, World, running

pytestmark = pytest.mark.anyio


async def test_a_launch_becomes_ready_and_its_lease_starts_then(world: World) -> None:
    instance = await world.launched(name="My Site")
    assert (instance.state, instance.stage, instance.name) == (State.READY, Stage.READY, "my-site")
    assert instance.ready_at is not None
    assert instance.expires_at - instance.ready_at == timedelta(minutes=40)
    assert set(instance.timings) >= {"queued", "container", "booting"}


async def test_readiness_is_asked_for_at_the_visitors_own_address(world: World) -> None:
    instance = await world.launched(name="shop")
    assert set(world.probe.asked) == {f"shop-{instance.id}.sandbox.localhost/start"}


async def test_the_container_carries_what_the_lease_needs(world: World) -> None:
    instance = await world.launched()
    container = world.engine.host.containers[world.engine.name_of(instance.id)]
    assert container.address == instance.address
    assert container.environment == {"ADMIN_PASSWORD": instance.password}
    assert container.labels["distros.instance"] == instance.id


REACHING_OUT = WIKI.model_copy(
    update={"slug": "out", "weaker": Weaker(egress="it fetches its extensions")}
)


async def test_who_asks_for_the_internet_gets_an_address_with_it_and_nobody_else(
    tmp_path: Path,
) -> None:
    catalog = Catalog([WIKI, REACHING_OUT])
    async with running(tmp_path, catalog=catalog, egress_subnet="10.98.0.0/24") as world:
        sites = [await world.launched(slug=slug) for slug in ("out", "wiki", "out")]
        labels = world.engine.host.containers[world.engine.name_of(sites[0].id)].labels
    assert [str(each.address) for each in sites] == ["10.98.0.16", "10.99.0.16", "10.98.0.17"]
    assert labels["traefik.docker.network"] == "distros-sandbox-egress"


async def test_where_nobody_may_reach_the_internet_it_says_so_and_holds_up_nobody(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, catalog=Catalog([WIKI, REACHING_OUT])) as world:
        failed = await world.launched(slug="out")
        assert failed.reason is Reason.START_FAILED
        assert failed.detail == "Instances may not reach the Internet here, which out asks for."
        assert (await world.launched()).state is State.READY


async def test_two_instances_never_share_a_password(world: World) -> None:
    passwords = {(await world.launched()).password for _ in range(3)}
    assert len(passwords) == 3 and None not in passwords


async def test_the_stages_come_in_order(world: World) -> None:
    answers = iter([Answer(500, marker="?"), Answer(500), Answer(200, text="no")])

    def site(instance_id: str) -> Answer:
        answer = next(answers, Answer(200, text="welcome"))
        return Answer(answer.status, marker=answer.marker or instance_id, text=answer.text)

    world.probe.site = site
    world.engine.start_delay = 0.05
    instance = await world.services.launcher.launch(ANNA, "wiki")
    stages: list[Stage] = []
    with world.services.ledger.watch(instance.id) as watcher:
        async for change in watcher:
            stages.append(change.stage)
            if change.state is State.READY:
                break
    assert stages == [Stage.CONTAINER, Stage.BOOTING, Stage.CHECKING, Stage.READY]


async def test_an_image_that_is_pulled_first_is_a_stage_of_its_own(tmp_path: Path) -> None:
    pulled = WIKI.image.model_copy(update={"build": False, "ref": "test/pulled:1"})
    catalog = Catalog([WIKI.model_copy(update={"image": pulled})])
    async with running(tmp_path, catalog=catalog) as world:
        instance = await world.services.launcher.launch(ANNA, "wiki")
        shown = await world.until(instance.id, lambda now: now.detail is not None)
        assert (shown.stage, shown.detail) == (Stage.IMAGE, "Fetching the image")
        await world.until(instance.id, lambda now: now.state is State.READY)


async def test_a_refused_launch_does_not_touch_the_engine(world: World) -> None:
    launch = world.services.launcher.launch
    for error, call in [
        (UnknownDistribution, launch(ANNA, "nothing")),
        (UnknownDistribution, launch(ANNA, "hidden")),
        (InvalidName, launch(ANNA, "wiki", name="???")),
        (InvalidLifetime, launch(ANNA, "wiki", lifetime=timedelta(seconds=59))),
        (InvalidLifetime, launch(ANNA, "wiki", lifetime=timedelta(minutes=41))),
        (InvalidLifetime, launch(ADMIN, "wiki", lifetime=timedelta(seconds=9))),
    ]:
        with pytest.raises(error):
            await call
    loops = {"prepare", "list", "image_id", "data_root", "prune_images"}
    assert {name for name, _ in world.engine.calls} <= loops
    assert await world.services.ledger.store.list() == ()


async def test_an_admin_may_launch_what_is_hidden_and_for_ten_seconds(world: World) -> None:
    instance = await world.launched(ADMIN, "hidden", lifetime=timedelta(seconds=10))
    assert instance.state is State.READY


async def test_a_launch_without_its_image_is_refused_at_once(world: World) -> None:
    with pytest.raises(ImageMissing):
        await world.services.launcher.launch(ANNA, "missing")
    assert await world.services.ledger.store.list() == ()


async def test_beyond_the_capacity_a_launch_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1, queue_limit=0) as world:
        await world.launched()
        with pytest.raises(CapacityReached) as refused:
            await world.services.launcher.launch(BEN, "wiki")
        assert 39 * 60 < refused.value.retry_after <= 40 * 60


async def test_starts_beyond_the_concurrency_queue_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, start_concurrency=1) as world:
        world.engine.start_delay = 0.1
        instances = [await world.services.launcher.launch(ANNA, "wiki") for _ in range(3)]
        ready = await asyncio.gather(
            *(world.until(one.id, lambda now: now.state is State.READY) for one in instances)
        )
        times = [one.ready_at for one in ready if one.ready_at]
        assert times == sorted(times)
        starts = [about for name, about in world.engine.calls if name == "start"]
        assert starts == [one.id for one in instances]


async def test_the_same_request_key_launches_once(world: World) -> None:
    launch = world.services.launcher.launch
    first = await launch(ANNA, "wiki", request_key="k")
    again = await launch(ANNA, "wiki", request_key="k")
    assert first.id == again.id
    with pytest.raises(IdempotencyConflict):
        await launch(ANNA, "wiki", name="other", request_key="k")
    await world.until(first.id, lambda now: now.state is State.READY)
    assert [name for name, _ in world.engine.calls].count("start") == 1


async def test_a_start_that_the_engine_refuses_fails_with_its_words(world: World) -> None:
    world.engine.fail_next("start", EngineError("no space left on device"))
    instance = await world.launched()
    ended = await world.ended(instance.id)
    assert (ended.state, ended.reason, ended.detail) == (
        State.FAILED,
        Reason.START_FAILED,
        "no space left on device",
    )


async def test_a_site_that_never_answers_rightly_fails_at_its_deadline_and_says_why(
    world: World,
) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
    instance = await world.launched()
    ended = await world.ended(instance.id)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.NOT_READY_IN_TIME)
    assert ended.detail == ("Not ready within 5 s. /start answered with status 500 instead of 200.")
    assert world.engine.host.containers == {}


async def test_a_container_that_exits_meanwhile_fails_at_once_with_its_last_lines(
    world: World,
) -> None:
    world.probe.site = lambda instance_id: Answer(503, marker=instance_id, not_live=True)
    instance = await world.services.launcher.launch(ANNA, "wiki")
    await world.until(instance.id, lambda now: now.stage is Stage.BOOTING)
    name = world.engine.name_of(instance.id)
    world.engine.host.say(name, "cannot open database")
    async with asyncio.timeout(1):  # the deadline for readiness is 5 s
        await world.engine.host.crash(name, exit_code=3)
        ended = await world.ended(instance.id)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.CRASHED)
    assert ended.detail == "The site's main process ended with exit code 3."
    assert await world.services.leases.log(ANNA, instance.id) == "cannot open database\n"


async def test_deleting_while_it_starts_leaves_nothing_behind(world: World) -> None:
    world.engine.start_delay = 0.2
    instance = await world.services.launcher.launch(ANNA, "wiki")
    await world.until(instance.id, lambda now: now.stage is Stage.CONTAINER)
    await world.services.leases.delete(ANNA, instance.id)
    ended = await world.ended(instance.id)
    assert (ended.state, ended.reason) == (State.GONE, Reason.DELETED)
    assert world.engine.host.containers == {}


async def test_a_launch_needs_the_engine_and_the_proxy(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.engine.unavailable = True
        with pytest.raises(EngineUnavailable):
            await world.services.launcher.launch(ANNA, "wiki")
    async with running(tmp_path) as world:
        world.probe.proxy = Answer(None, error="connection refused")
        with pytest.raises(ProxyUnavailable, match="connection refused"):
            await world.services.launcher.launch(ANNA, "wiki")
    async with running(tmp_path) as world:
        world.probe.proxy = Answer(404)
        with pytest.raises(ProxyUnavailable, match="404"):
            await world.services.launcher.launch(ANNA, "wiki")


async def test_a_launch_that_a_stopped_service_left_half_way_is_brought_up(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        world.engine.start_delay = 60
        instance = await world.services.launcher.launch(ANNA, "wiki")
        await world.until(instance.id, lambda now: now.stage is Stage.CONTAINER)
    async with running(tmp_path, host=host) as world:
        ready = await world.until(instance.id, lambda now: not now.state.pending)
        assert ready.state is State.READY
        assert len(host.containers) == 1


async def test_engine_calls_of_a_launch_do_not_grow_with_the_number_of_instances(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, capacity=100) as world:

        async def calls_of_a_launch() -> int:
            before = len(world.engine.calls)
            instance = await world.launched()
            about = [call for call in world.engine.calls[before:] if call[0] != "inspect"]
            assert ("start", instance.id) in about
            return len([call for call in about if call[0] in ("start", "has_image")])

        first = await calls_of_a_launch()
        for _ in range(20):
            await world.launched()
        assert await calls_of_a_launch() == first


async def test_nothing_lives_for_longer_than_anything_may(tmp_path: Path) -> None:
    async with running(tmp_path, max_lifetime=timedelta(minutes=5)) as world:
        instance = await world.launched()
        assert instance.lifetime == timedelta(minutes=5)
        assert instance.ready_at is not None
        assert instance.expires_at == instance.ready_at + timedelta(minutes=5)
        catalogue = (await world.client().get("/api/v1/distributions")).json()["distributions"]
        assert {each["lifetime"] for each in catalogue} == {300}
