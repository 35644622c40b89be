"""`/metrics` tells what happens, to the admin alone, and nothing of any visitor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.models import State
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.metrics import METRICS, PREFIX
from orchestrator.web.events import _stream
from tests.support import ANNA, BEN, Clock, World, running, with_pool

pytestmark = pytest.mark.anyio


@pytest.fixture
async def measured(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, synthetic_distribution="hidden", capacity=5) as world:
        yield world


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def read(world: World) -> Samples:
    async with world.admin() as admin:
        response = await admin.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((PREFIX + name, frozenset(labels.items())))


async def test_it_is_for_the_admins_token_alone(measured: World) -> None:
    async with measured.client() as anna, measured.client(Authorization="Bearer no") as guessing:
        assert (await anna.get("/metrics")).status_code == 401
        assert (await guessing.get("/metrics")).status_code == 401


async def test_every_metric_that_is_declared_is_told(measured: World) -> None:
    async with measured.admin() as admin:
        text = (await admin.get("/metrics")).text
    for metric in METRICS:
        assert f"# HELP {metric.full_name} {metric.help}\n" in text
        assert f"# TYPE {metric.full_name} {metric.kind}\n" in text


async def test_launches_and_endings_are_counted(measured: World) -> None:
    first, _ = await measured.launched(ANNA), await measured.launched(BEN)
    await measured.services.leases.delete(ANNA, first.id)
    await measured.ended(first.id)
    measured.clock.advance(minutes=41)
    while measured.services.ledger.live:
        await asyncio.sleep(0.01)
    measured.engine.fail_next("start", EngineError("no space left on device"))
    await measured.ended((await measured.launched()).id)

    samples = await read(measured)

    of_wiki = {"distribution": "wiki", "holder": "visitor"}
    assert value(samples, "launches_total", distribution="wiki", origin="cold") == 3
    assert value(samples, "endings_total", reason="deleted", **of_wiki) == 1
    assert value(samples, "endings_total", reason="expired", **of_wiki) == 1
    assert value(samples, "endings_total", reason="start_failed", **of_wiki) == 1
    assert value(samples, "expiry_lateness_seconds_count") == 1
    booting = {"distribution": "wiki", "stage": "booting"}
    assert value(samples, "launch_stage_seconds_count", **booting) == 2
    assert value(samples, "engine_failures_total", call="start", code="engine_error") == 1
    assert value(samples, "engine_call_seconds_count", call="start") == 3


async def test_what_lives_is_told_as_it_stands(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1), capacity=2) as world:
        while not any(each.state is State.READY for each in world.services.pool.members()):
            await asyncio.sleep(0.01)
        await world.launched()
        await world.services.launcher.launch(ANNA, "wiki")
        await world.services.launcher.launch(ANNA, "wiki")

        samples = await read(world)

    assert value(samples, "launches_total", distribution="wiki", origin="pool") == 1
    assert value(samples, "launches_total", distribution="wiki", origin="cold") == 2
    ready = {"distribution": "wiki", "state": "ready", "holder": "visitor"}
    assert value(samples, "instances", **ready) == 1
    assert value(samples, "queue") == 2
    assert value(samples, "capacity") == 2
    assert value(samples, "pool", distribution="wiki", kind="target") == 1


async def test_a_restart_counts_nothing_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.launched()
        host, clock = world.engine.host, world.clock
    async with running(tmp_path, host=host, clock=clock) as world:
        samples = await read(world)

    assert value(samples, "launches_total", distribution="wiki", origin="cold") is None
    ready = {"distribution": "wiki", "state": "ready", "holder": "visitor"}
    assert value(samples, "instances", **ready) == 1


async def test_launches_are_counted_after_the_clock_was_set_back_too(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.launched()
        world.clock.advance(hours=-1)
        await world.launched()
        samples = await read(world)

    assert value(samples, "launches_total", distribution="wiki", origin="cold") == 2


async def test_an_adopted_container_is_no_launch(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        site = await world.launched()
        host = world.engine.host
    (tmp_path / "distros.db").unlink()
    clock = Clock()
    clock.advance(seconds=-10)  # the container seems to be younger than the service
    async with running(tmp_path, host=host, clock=clock) as world:
        while site.id not in world.services.ledger.live:
            await asyncio.sleep(0.01)
        samples = await read(world)

    assert value(samples, "launches_total", distribution="wiki", origin="cold") is None


async def test_the_synthetic_launch_is_told_apart(measured: World) -> None:
    assert value(await read(measured), "synthetic_up", distribution="hidden") is None
    run = await measured.services.synthetic.run()
    samples = await read(measured)

    assert value(samples, "synthetic_up", distribution="hidden") == 1
    since = value(samples, "synthetic_since_timestamp_seconds", distribution="hidden")
    assert since == pytest.approx(run.at.timestamp())
    assert value(samples, "synthetic_runs_total", outcome="worked") == 1
    assert value(samples, "synthetic_step_seconds", step="ready") == run.seconds["ready"]
    assert value(samples, "launches_total", distribution="hidden", origin="synthetic") == 1

    measured.engine.fail_next("start", EngineError("no space left on device"))
    await measured.services.synthetic.run()
    samples = await read(measured)

    assert value(samples, "synthetic_up", distribution="hidden") == 0
    assert value(samples, "synthetic_runs_total", outcome="worked") == 1


async def test_what_fails_is_told(measured: World) -> None:
    failed = asyncio.Event()

    async def fails() -> None:
        failed.set()
        raise KeyError("a mistake of ours")

    measured.services.background.loop(fails, name="clumsy")
    await failed.wait()
    await measured.lose_engine()

    async def locked() -> None:
        raise StoreUnavailable("The database does not answer.")

    measured.services.ledger.store._of.check = locked  # type: ignore[attr-defined]
    measured.services.health.engine_is_away()
    samples = await read(measured)

    assert value(samples, "engine_away") == 1
    assert value(samples, "loop_failures_total", loop="clumsy") == 1
    assert value(samples, "store_failures_total", call="check") == 1
    assert value(samples, "check", part="store") == value(samples, "check", part="engine") == 0
    assert value(samples, "check", part="loops") == 1
    assert value(samples, "engine_lists_total") == 1


async def test_no_label_names_an_instance_or_a_visitor(measured: World) -> None:
    instance = await measured.launched(name="my-secret-wiki")
    async with measured.admin() as admin:
        text = (await admin.get("/metrics")).text
    for secret in (instance.id, ANNA.visitor, "my-secret-wiki"):
        assert secret not in text


async def test_open_streams_are_counted(measured: World) -> None:
    instance = await measured.launched()
    async with aclosing(_stream(measured.services, ANNA, instance)) as stream:
        await anext(stream)
        assert value(await read(measured), "event_streams") == 1
    assert value(await read(measured), "event_streams") == 0
