"""Nothing is lost and nothing hangs while the store, the engine or the proxy has a bad day."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.models import Reason, State
from orchestrator.domain.outages import EngineUnavailable, StoreUnavailable
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import health
from orchestrator.service.ledger import is_settled
from orchestrator.service.readiness import Answer, ProxyProbe
from tests.support import ADMIN, ANNA, WIKI, World, running

pytestmark = pytest.mark.anyio


def fail_once(world: World, call: str, when: Callable[..., bool] = lambda *_, **__: True) -> None:
    """The next call of the store for which `when` holds raises, as in an outage."""
    store: Any = world.services.ledger.store
    real = getattr(store, call)

    async def failing(*args: Any, **named: Any) -> Any:
        if when(*args, **named):
            setattr(store, call, real)
            raise StoreUnavailable("The database does not answer.")
        return await real(*args, **named)

    setattr(store, call, failing)


async def test_an_ending_is_noted_once_the_store_is_back(world: World) -> None:
    instance = await world.launched()
    fail_once(world, "update", lambda *_, **change: change.get("state") is State.GONE)
    await world.services.leases.delete(ANNA, instance.id)
    assert (await world.ended(instance.id)).reason is Reason.DELETED


@pytest.mark.parametrize("call", ["place", "update", "make_ready"])
async def test_a_launch_goes_on_once_the_store_is_back(world: World, call: str) -> None:
    fail_once(world, call)
    instance = await world.launched()
    assert instance.state is State.READY
    assert len(world.engine.host.containers) == 1


async def test_a_launch_outlives_a_proxy_that_is_away_for_longer_than_it_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "BAD_HOLDS", 0.05)
    quick = WIKI.readiness.model_copy(update={"deadline": timedelta(seconds=0.5)})
    catalog = Catalog([WIKI.model_copy(update={"readiness": quick})])
    async with running(tmp_path, catalog=catalog, start_concurrency=1) as world:
        world.engine.start_delay = 0.2
        first = await world.services.launcher.launch(ANNA, "wiki")
        second = await world.services.launcher.launch(ANNA, "wiki")
        away = Answer(None, error="connection refused")
        world.probe.proxy, site = away, world.probe.site
        world.probe.site = lambda instance_id: away
        await asyncio.sleep(1.5)
        world.probe.proxy, world.probe.site = Answer(200), site
        for launched in (first, second):
            assert (await world.until(launched.id, is_settled)).state is State.READY
        assert len(world.engine.host.containers) == 2


async def test_a_lease_does_not_run_while_its_launch_waits_for_the_engine(world: World) -> None:
    world.engine.fail_next("start", EngineUnavailable("It does not answer."), times=4)
    instance = await world.services.launcher.launch(ANNA, "wiki")
    for _ in range(3):  # in all more than a lease of 40 minutes
        await asyncio.sleep(0.25)
        world.clock.advance(minutes=20)
    ready = await world.until(instance.id, is_settled)
    assert ready.state is State.READY
    assert ready.ready_at is not None and ready.expires_at == ready.ready_at + ready.lifetime


async def test_a_failed_look_at_the_row_is_not_taken_for_an_ending(world: World) -> None:
    fail_once(world, "get")
    instance = await world.services.launcher.launch(ANNA, "wiki")
    with world.services.ledger.watch(instance.id) as watcher:
        async with asyncio.timeout(5):
            while (await watcher.next()).state is not State.READY:
                pass


async def test_a_log_that_cannot_be_read_does_not_keep_the_container(world: World) -> None:
    instance = await world.launched()

    async def broken(*_: object, **__: object) -> str:
        raise KeyError("a mistake of ours")

    world.engine.logs = broken  # type: ignore[method-assign]
    await world.services.leases.delete(ANNA, instance.id)
    assert (await world.ended(instance.id)).state is State.GONE
    assert world.engine.host.containers == {}


async def test_a_lease_that_was_renewed_meanwhile_does_not_expire(world: World) -> None:
    instance = await world.launched()
    world.clock.advance(minutes=39)
    await world.services.leases.renew(ANNA, instance.id)
    # What the reaper does with a list that it read just before the renewal.
    endings = world.app.state.services.leases._endings
    assert await endings.expire(instance.id, instance.expires_at + timedelta(seconds=1)) is None
    assert (await world.services.leases.get(ANNA, instance.id)).state is State.READY


async def test_after_a_lost_database_addresses_in_use_are_known(tmp_path: Path) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        addresses = {(await world.launched()).address for _ in range(3)}
    async with running(tmp_path / "new", host=host) as world:
        while world.services.ledger.counts().placed < 3:
            await asyncio.sleep(0.01)
        instance = await world.launched()
        assert instance.state is State.READY
        assert instance.address not in addresses
        assert instance.address == IPv4Address("10.99.0.19")


async def test_a_leftover_is_removed_by_one_task_however_often_it_is_listed(
    tmp_path: Path,
) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        instance = await world.launched()
        container = host.containers[world.engine.name_of(instance.id)]
        await world.services.leases.delete(ANNA, instance.id)
        await world.ended(instance.id)
    host.containers["distros-" + instance.id] = container
    async with running(tmp_path, host=host) as world:
        world.engine.fail_next("remove", EngineError("busy"), times=2)
        for _ in range(10):
            await host.cut_streams()
            await asyncio.sleep(0.02)
        tasks = [task.get_name() for task in asyncio.all_tasks()]
        assert tasks.count(f"discard {instance.id}") <= 1
        while host.containers:
            await asyncio.sleep(0.01)


async def test_deleting_ends_a_pull_that_says_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, start_concurrency=1) as world:
        pulled = asyncio.Event()

        async def silent(ref: str) -> Any:
            pulled.set()
            await asyncio.Event().wait()
            yield

        world.engine.pull = silent  # type: ignore[method-assign]
        catalog: Any = world.services.catalog
        wiki = catalog.get("wiki")
        image = wiki.image.model_copy(update={"build": False, "ref": "test/pulled:1"})
        catalog._by_slug["hidden"] = catalog.get("hidden").model_copy(update={"image": image})
        stuck = await world.services.launcher.launch(ADMIN, "hidden")
        await pulled.wait()
        await world.services.leases.delete(ADMIN, stuck.id)
        async with asyncio.timeout(2):
            assert (await world.launched()).state is State.READY


async def test_a_probe_carries_no_sites_cookies_to_another() -> None:
    probe = ProxyProbe("http://127.0.0.1:9")
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, headers={"Set-Cookie": "session=secret; Path=/"})

    probe._client._transport = httpx.MockTransport(answer)
    for host in ("one.sandbox.localhost", "two.sandbox.localhost"):
        await probe.ask(host, "/")
    await probe.close()
    assert [request.headers.get("cookie") for request in sent] == [None, None]


async def test_a_site_may_name_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = ProxyProbe("http://127.0.0.1:9")
    headers = {"Content-Type": "text/html; charset=hex"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=b"hi"))
    probe._client._transport = transport
    assert (await probe.ask("one.sandbox.localhost", "/")).text == "hi"
    await probe.close()


async def test_the_catalogue_does_not_wait_for_an_engine_that_keeps_silent(world: World) -> None:
    async def silent(ref: str) -> str:
        await asyncio.Event().wait()
        return ref

    world.engine.image_id = silent  # type: ignore[method-assign]
    async with asyncio.timeout(1), world.client() as anna:
        assert (await anna.get("/api/v1/distributions")).status_code == 200
        assert (await anna.get("/")).status_code == 200
