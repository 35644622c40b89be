"""Engine, store and proxy come to agree again, whatever somebody did from outside."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tenacity import wait_fixed

from orchestrator.domain.differences import Kind
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.models import Instance, Reason, State
from orchestrator.domain.naming import LABEL_EXPIRES_AT, router_name
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.fake_host import FakeContainer
from orchestrator.service import endings, insist, readiness, reconciler, route_care
from orchestrator.service.readiness import Answer
from orchestrator.service.routes import Route
from tests.support import ANNA, World

pytestmark = pytest.mark.anyio


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def kinds(world: World) -> list[Kind]:
    return [each.kind for each in world.services.reconciler.found]


async def compared_until_settled(world: World, instance_id: str) -> Instance:
    """Compared again and again, until it is ready or has ended; long before the next turn."""
    async with asyncio.timeout(5):
        while True:
            await world.compare()
            row = await world.services.ledger.find(instance_id)
            assert row is not None
            if row.state is State.READY or row.state.ended:
                return row
            await asyncio.sleep(0.01)


def calls(world: World, name: str) -> int:
    return [call for call, _ in world.engine.calls].count(name)


# -- containers that nobody knows ----------------------------------------------------------------


async def made_by_hand(world: World, **changes: str) -> FakeContainer:
    """With the labels of an instance that lives."""
    instance = await world.launched()
    labels = world.engine.host.containers[world.engine.name_of(instance.id)].labels
    container = FakeContainer(labels=labels | changes, running=True)
    world.engine.host.containers["by-hand"] = container
    return container


async def test_a_clone_is_removed_after_a_grace_period_and_its_instance_stays(
    world: World,
) -> None:
    await made_by_hand(world)
    await world.compare()
    assert kinds(world) == [Kind.CLONE]
    world.clock.advance(seconds=59)
    await world.compare()
    assert "by-hand" in world.engine.host.containers

    world.clock.advance(seconds=2)
    await world.compare()

    await eventually(lambda: "by-hand" not in world.engine.host.containers)
    assert len(world.engine.host.containers) == 1
    assert await world.compare() == ()


async def test_a_clone_whose_original_has_gone_meanwhile_is_not_removed(world: World) -> None:
    instance = await world.launched()
    name = world.engine.name_of(instance.id)
    clone = FakeContainer(labels=world.engine.host.containers[name].labels, running=True)
    world.engine.host.containers["by-hand"] = clone
    listed = await world.engine.list()
    await world.services.reconciler.reconcile(listed)
    world.clock.advance(seconds=61)
    world.engine.host.containers.pop(name)

    await world.services.reconciler.reconcile(listed)  # an old list

    await eventually(lambda: calls(world, "inspect") >= 1)
    await asyncio.sleep(0.05)
    assert "by-hand" in world.engine.host.containers


async def test_what_cannot_say_when_it_ends_is_never_adopted_and_goes(world: World) -> None:
    odd = await made_by_hand(world, **{LABEL_EXPIRES_AT: "tomorrow", "distros.instance": "odd"})
    await world.compare()
    assert kinds(world) == [Kind.UNKNOWN_CONTAINER]
    world.clock.advance(seconds=61)
    await world.compare()
    await eventually(lambda: odd not in world.engine.host.containers.values())
    assert len(await world.services.ledger.store.list()) == 1


async def test_a_look_never_adopts_what_is_not_whole_or_not_under_its_own_name(
    world: World,
) -> None:
    instance = await world.launched()
    labels = world.engine.host.containers.pop(world.engine.name_of(instance.id)).labels
    await world.compare()
    await world.ended(instance.id)
    for name, changes in (
        ("renamed", {"distros.instance": "abcdefghijkm"}),
        ("distros-mkjihgfedcba", {"distros.instance": "mkjihgfedcba", LABEL_EXPIRES_AT: "soon"}),
    ):
        labels |= changes
        world.engine.host.containers[name] = FakeContainer(labels=dict(labels), running=True)
        await world.services.reconciler._looks.look(changes["distros.instance"])
    assert [row.id for row in await world.services.ledger.store.list()] == [instance.id]


async def test_a_removal_that_fails_is_tried_again_at_the_next_comparison(world: World) -> None:
    await made_by_hand(world)
    world.engine.fail_next("remove_container", EngineError("busy"))
    await world.compare()
    world.clock.advance(seconds=61)
    await world.compare()
    await eventually(lambda: calls(world, "remove_container") == 1)
    await world.compare()
    await eventually(lambda: "by-hand" not in world.engine.host.containers)


# -- what somebody does to an instance -----------------------------------------------------------


async def test_a_paused_container_goes_on_and_gets_its_route_back(world: World) -> None:
    instance = await world.launched()
    world.routes.lose(instance.id)
    await world.engine.host.pause(world.engine.name_of(instance.id))
    await eventually(lambda: not world.routes.lacks(instance.id))
    assert not world.engine.host.containers[world.engine.name_of(instance.id)].paused
    assert (await world.services.leases.get(ANNA, instance.id)).state is State.READY


async def test_a_pause_that_no_event_told_of_is_found_by_the_comparison(world: World) -> None:
    instance = await world.launched()
    container = world.engine.host.containers[world.engine.name_of(instance.id)]
    container.paused = True
    await world.compare()
    assert kinds(world) == [Kind.PAUSED]
    await eventually(lambda: not container.paused)
    assert await world.compare() == ()


async def test_a_renamed_container_stays_and_is_removed_with_its_instance(world: World) -> None:
    instance = await world.launched()
    await world.engine.host.rename(world.engine.name_of(instance.id), "renamed")
    await world.compare()
    assert kinds(world) == [Kind.RENAMED]
    assert (await world.services.leases.get(ANNA, instance.id)).state is State.READY

    await world.services.leases.delete(ANNA, instance.id)

    assert (await world.ended(instance.id)).reason is Reason.DELETED
    assert world.engine.host.containers == {}


async def test_a_container_that_is_gone_ends_its_instance(world: World) -> None:
    instance = await world.launched()
    world.engine.host.containers.clear()  # no event
    await world.compare()
    assert (await world.ended(instance.id)).reason is Reason.REMOVED_OUTSIDE


# -- routes --------------------------------------------------------------------------------------


async def test_a_missing_route_comes_back_with_one_nudge_for_all(world: World) -> None:
    instances = [await world.launched() for _ in range(3)]
    for instance in instances:
        world.routes.lose(instance.id)
    await world.compare()
    assert kinds(world) == [Kind.ROUTE_MISSING] * 3
    await eventually(lambda: world.engine.host.nudges == 1)
    assert await world.compare() == ()
    assert world.engine.host.nudges == 1


async def test_a_route_that_is_lost_right_after_a_nudge_does_not_wait_for_the_next_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_care, "NUDGE_PAUSE", 0.2)
    first, second = await world.launched(), await world.launched()
    world.routes.lose(first.id)
    await world.compare()
    await eventually(lambda: world.engine.host.nudges == 1)
    world.routes.lose(second.id)
    await world.compare()
    await eventually(lambda: not world.routes.lacks(second.id))
    assert world.engine.host.nudges == 2


async def test_a_stray_route_is_told_and_nudged_away_once_it_has_stayed(world: World) -> None:
    await eventually(
        lambda: world.services.reconciler.compared_at is not None
    )  # the start's own is over
    world.routes.odd = {"distros-abcdefghijkm": Route("distros-abcdefghijkm")}
    with capture_logs() as logs:
        await world.compare()
        assert kinds(world) == [Kind.STRAY_ROUTE]
        assert [each for each in logs if each["event"] == "difference"] == []
        await world.compare()
    assert [each["kind"] for each in logs if each["event"] == "difference"] == ["stray_route"]
    await eventually(lambda: world.engine.host.nudges == 1)


async def test_a_proxy_that_a_nudge_does_not_wake_is_told(world: World) -> None:
    instance = await world.launched()
    world.routes.deaf = True
    world.routes.lose(instance.id)
    with capture_logs() as logs:
        await world.compare()
        assert not [each for each in logs if each["log_level"] == "error"]
        await world.compare()
    (told,) = [each for each in logs if each["log_level"] == "error"]
    assert told["event"] == "a nudge has not helped"
    assert told["container"] == world.engine.name_of(instance.id)


async def test_without_the_proxys_api_the_rest_is_compared_all_the_same(world: World) -> None:
    instance = await world.launched()
    world.routes.away = True
    world.engine.host.containers[world.engine.name_of(instance.id)].paused = True
    (found,) = await world.compare()
    assert (found.kind, found.proxy) == (Kind.PAUSED, "not asked")


async def test_a_start_whose_route_does_not_appear_is_told_and_nudged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ROUTE_PATIENCE", 0.05)
    monkeypatch.setattr(route_care, "NUDGE_PAUSE", 0.0)
    site = world.probe.site
    no_route = Answer(404, text="404 page not found")
    world.probe.site = lambda each: site(each) if world.engine.host.nudges else no_route
    with capture_logs() as logs:
        instance = await world.services.launcher.launch(ANNA, "wiki")
        world.routes.lose(instance.id)
        ready = await world.until(instance.id, lambda now: not now.state.pending)
    assert ready.state is State.READY
    told = [each for each in logs if each["event"] == "route missing"]
    assert told and told[0]["instance"] == instance.id and told[0]["proxy"] == "nothing"


async def test_why_the_proxy_refuses_a_starts_route_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ROUTE_PATIENCE", 0.05)
    monkeypatch.setattr(route_care, "SEEN_HOLDS", 0.0)
    world.probe.site = lambda _: Answer(404)
    with capture_logs() as logs:
        instance = await world.services.launcher.launch(ANNA, "wiki")
        name = router_name("distros", instance.id)
        world.routes.odd = {name: Route(name, False, "no such middleware")}
        await eventually(lambda: any(each["event"] == "route refused" for each in logs))
        await world.services.leases.delete(ANNA, instance.id)
    assert {"instance": instance.id, "proxy": "no such middleware"}.items() <= next(
        each.items() for each in logs if each["event"] == "route refused"
    )
    assert world.engine.host.nudges == 0


# -- removals ------------------------------------------------------------------------------------


async def test_removals_that_hang_do_not_make_others_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "PATIENCE", 0.1)
    hanging = [(await world.launched()).id for _ in range(8)]
    other = await world.launched()
    remove, released = world.engine.remove, asyncio.Event()

    async def hang(instance_id: str) -> None:
        if instance_id in hanging:
            await released.wait()
        await remove(instance_id)

    world.engine.remove = hang  # type: ignore[method-assign]
    for instance_id in [*hanging, other.id]:
        await world.services.leases.delete(ANNA, instance_id)
    async with asyncio.timeout(5):  # they hang for longer
        await world.ended(other.id)
    assert world.services.ledger.counts().placed == 8
    await eventually(lambda: len(world.services.leases._endings.stuck) == 8)
    await world.compare()
    assert kinds(world) == [Kind.REMOVAL_STUCK] * 8

    released.set()

    for instance_id in hanging:
        assert (await world.ended(instance_id)).reason is Reason.DELETED
    assert await world.compare() == ()


async def test_once_the_engine_is_back_no_removal_waits_for_its_next_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insist, "PAUSE", wait_fixed(30))
    instance = await world.launched()
    world.engine.fail_next("remove", EngineError("gone for a while"), times=2)
    await world.services.leases.delete(ANNA, instance.id)
    await eventually(lambda: calls(world, "remove") == 2)
    assert (await compared_until_settled(world, instance.id)).state is State.GONE


async def test_once_the_engine_is_back_no_launch_waits_for_its_next_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insist, "PAUSE", wait_fixed(30))
    world.engine.fail_next("start", EngineUnavailable("The Docker Engine cannot be reached."))
    instance = await world.services.launcher.launch(ANNA, "wiki")
    await eventually(lambda: calls(world, "start") == 1)
    assert (await compared_until_settled(world, instance.id)).state is State.READY


async def test_what_cannot_be_removed_raises_one_alarm_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await world.launched()
    world.engine.fail_next("remove", EngineError("device or resource busy"), times=1000)
    with capture_logs() as logs:
        await world.services.leases.delete(ANNA, instance.id)
        await eventually(lambda: calls(world, "remove") >= 2)
        for _ in range(3):
            await world.compare()
        alarms = [each for each in logs if each["log_level"] == "error"]
        assert [(each["event"], each["count"]) for each in alarms] == [
            ("containers cannot be removed", 1)
        ]
        assert alarms[0]["error"] == "device or resource busy"
        monkeypatch.setattr(reconciler, "ALARM_INTERVAL", 0.0)
        await world.compare()
        assert sum(each["log_level"] == "error" for each in logs) == 2
    assert world.services.ledger.counts().placed == 1


async def test_what_is_left_over_and_cannot_be_removed_raises_the_alarm_too(world: World) -> None:
    instance = await world.launched()
    left = world.engine.host.containers[world.engine.name_of(instance.id)]
    await world.services.leases.delete(ANNA, instance.id)
    await world.ended(instance.id)
    world.engine.host.containers["distros-" + instance.id] = left
    world.engine.fail_next("remove", EngineError("busy"), times=1000)
    await world.compare()
    await eventually(lambda: instance.id in world.services.leases._endings.stuck)
    with capture_logs() as logs:
        (found,) = await world.compare()
    assert (found.kind, found.detail) == (Kind.LEFTOVER, "busy")
    assert [each["event"] for each in logs if each["log_level"] == "error"] == [
        "containers cannot be removed"
    ]


# -- addresses and names -------------------------------------------------------------------------


def squat(world: World, *addresses: str) -> None:
    for address in addresses:
        squatter = FakeContainer(address=IPv4Address(address), running=True)
        world.engine.host.containers[f"foreign-{address}"] = squatter


async def test_a_launch_takes_the_next_address_where_its_own_is_held(world: World) -> None:
    squat(world, "10.99.0.16", "10.99.0.17")
    instance = await world.launched()
    assert (instance.state, str(instance.address)) == (State.READY, "10.99.0.18")
    assert (await world.launched()).address == instance.address + 1


async def test_after_some_tries_it_says_truly_that_addresses_are_held(world: World) -> None:
    squat(world, *(f"10.99.0.{number}" for number in range(16, 40)))
    failed = await world.ended((await world.launched()).id)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.START_FAILED)
    assert failed.detail == "Address already in use by a container of somebody else."
    assert calls(world, "start") == 5
    assert len(world.engine.host.containers) == 24


async def test_a_name_that_is_taken_fails_the_launch_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.service.launcher.new_instance_id", lambda: "abcdefghijkm")
    foreign, name = FakeContainer(running=True), world.engine.name_of("abcdefghijkm")
    world.engine.host.containers[name] = foreign
    failed = await world.ended((await world.launched()).id)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.START_FAILED)
    assert failed.detail == f"The name {name} is taken by a container that is not ours."
    assert world.engine.host.containers == {name: foreign}


async def test_two_services_on_one_host_leave_each_others_containers_alone(
    world: World, tmp_path: Path
) -> None:
    instance = await world.launched()
    own = world.engine.host.containers[world.engine.name_of(instance.id)]
    theirs = replace(own, labels=own.labels | {"distros.stack": "other"}, id="theirs")
    world.engine.host.containers["other-" + instance.id] = theirs
    assert await world.compare() == ()
