"""What every engine promises (`orchestrator/engine/base.py`), held against all of them."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.domain.distribution import Image
from orchestrator.domain.engine_errors import (
    AddressInUse,
    CommandFailed,
    EngineError,
    ImageRefused,
    NoEgress,
)
from orchestrator.domain.naming import LABEL_EXPIRES_AT, container_name, new_instance_id, own_names
from orchestrator.domain.outages import ImageMissing
from orchestrator.domain.weaker import Weaker
from orchestrator.engine.base import Changed, EngineEvent, Listed, Observation, StartSpec
from orchestrator.engine.routing import managed_labels, owner_labels, router_labels

from .conftest import IMAGE, NEIGHBOUR, PATIENCE, REFUSED_IMAGE, ROUTING, Lab, eventually, make_spec

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


def running(spec: StartSpec, *, stack: str = ROUTING.stack) -> Observation:
    return Observation(
        instance_id=spec.instance_id,
        distribution="probe",
        running=True,
        exit_code=None,
        out_of_memory=False,
        created_at=spec.created_at,
        expires_at=spec.expires_at,
        address=spec.address,
        name=container_name(stack, spec.instance_id),
    )


async def ended(lab: Lab, spec: StartSpec) -> Observation:
    def has_ended(look: Observation | None) -> bool:
        return look is not None and look.ended

    look = await eventually(lambda: lab.engine.inspect(spec.instance_id), has_ended)
    assert look is not None
    return look


async def everything(pieces: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([piece async for piece in pieces])


# -- start and look ------------------------------------------------------------------------------


async def test_it_says_version_and_api(lab: Lab) -> None:
    info = await lab.engine.prepare()

    assert info.version
    assert tuple(map(int, info.api_version.split("."))) >= (1, 41)


async def test_it_starts_an_instance_and_sees_it_run(lab: Lab) -> None:
    spec = make_spec()

    await lab.engine.start(spec)

    assert await lab.engine.inspect(spec.instance_id) == running(spec)
    assert await lab.engine.list() == (running(spec),)


async def test_it_knows_nothing_of_an_instance_never_started(lab: Lab) -> None:
    stranger = new_instance_id()

    assert await lab.engine.inspect(stranger) is None
    assert await lab.engine.list() == ()
    assert await lab.engine.logs(stranger) == ""


async def test_it_labels_the_container_with_owner_and_router_and_nothing_else(lab: Lab) -> None:
    spec = make_spec(port=8123)

    await lab.engine.start(spec)

    assert await lab.labels(spec.instance_id) == owner_labels(
        ROUTING.stack,
        spec.instance_id,
        "probe",
        created_at=spec.created_at,
        expires_at=spec.expires_at,
    ) | router_labels(ROUTING, spec.instance_id, 8123, spec.address)


async def test_it_adopts_an_instance_that_runs_already(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    await lab.engine.start(spec)

    assert await lab.engine.list() == (running(spec),)


async def test_it_starts_what_was_created_and_never_started(lab: Lab) -> None:
    spec = make_spec()
    await lab.create_without_starting(spec)
    created = dataclasses.replace(running(spec), running=False)
    assert await lab.engine.inspect(spec.instance_id) == created
    assert await lab.engine.list() == (created,)

    await lab.engine.start(spec)

    assert await lab.engine.inspect(spec.instance_id) == running(spec)


async def test_it_does_not_revive_a_crashed_instance(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.crash(spec.instance_id)
    crashed = await ended(lab, spec)

    await lab.engine.start(spec)

    assert await lab.engine.inspect(spec.instance_id) == crashed


async def test_it_refuses_an_address_in_use_and_leaves_nothing_behind(lab: Lab) -> None:
    first = make_spec()
    await lab.engine.start(first)
    second = dataclasses.replace(make_spec(), address=first.address)

    with pytest.raises(AddressInUse, match="Address already in use"):
        await lab.engine.start(second)

    assert await lab.engine.inspect(second.instance_id) is None
    assert await lab.engine.list() == (running(first),)


async def test_it_can_start_at_another_address_what_had_none(lab: Lab) -> None:
    first = make_spec()
    await lab.engine.start(first)
    second = dataclasses.replace(make_spec(), address=first.address)
    with pytest.raises(AddressInUse):
        await lab.engine.start(second)
    moved = dataclasses.replace(second, address=make_spec().address)

    await lab.engine.start(moved)

    assert await lab.engine.inspect(moved.instance_id) == running(moved)


async def test_it_says_that_an_image_is_missing(lab: Lab) -> None:
    spec = make_spec(image=Image(ref="distros-contract/never-built:1"))

    with pytest.raises(ImageMissing, match="“probe”"):
        await lab.engine.start(spec)

    assert await lab.engine.list() == ()


async def test_it_refuses_an_image_that_brings_router_labels(lab: Lab) -> None:
    spec = make_spec(image=Image(ref=REFUSED_IMAGE))

    with pytest.raises(ImageRefused, match=r"traefik\.enable"):
        await lab.engine.start(spec)

    assert await lab.engine.list() == ()


async def test_it_refuses_the_internet_where_nobody_may_reach_it(lab: Lab) -> None:
    spec = make_spec(weaker=Weaker(egress="it fetches its extensions"))

    with pytest.raises(NoEgress, match="which probe asks for"):
        await lab.engine.start(spec)

    assert await lab.engine.list() == ()


async def test_a_container_that_an_older_version_named_is_found_and_removed(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    _, old_name = own_names(ROUTING.stack, spec.instance_id)
    await lab.rename(spec.instance_id, old_name)

    assert await lab.engine.inspect(spec.instance_id) == dataclasses.replace(
        running(spec), name=old_name
    )
    await lab.engine.remove(spec.instance_id)
    assert await lab.engine.list() == ()


# -- what it uses --------------------------------------------------------------------------------


async def test_it_says_what_an_instance_uses_within_its_limit(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.has_greeted(spec.instance_id)

    first = await lab.engine.usage(spec.instance_id)
    then = await lab.engine.usage(spec.instance_id)

    assert first is not None and then is not None
    assert 0 < first.memory <= first.memory_limit == spec.distribution.limits.memory
    assert abs(datetime.now(UTC) - then.at) < timedelta(seconds=10)
    assert first.at <= then.at and 0 <= first.cpu <= then.cpu


async def test_what_does_not_run_uses_nothing(lab: Lab) -> None:
    spec = make_spec()
    assert await lab.engine.usage(spec.instance_id) is None
    await lab.engine.start(spec)
    await lab.has_greeted(spec.instance_id)
    await lab.crash(spec.instance_id)
    await ended(lab, spec)
    assert await lab.engine.usage(spec.instance_id) is None
    await lab.engine.remove(spec.instance_id)
    assert await lab.engine.usage(spec.instance_id) is None


async def test_it_gives_an_instance_a_smaller_share_and_its_own_again(lab: Lab) -> None:
    first, second = make_spec(), make_spec()
    for spec in (first, second):
        await lab.engine.start(spec)
    for restrained in (True, True, False):
        await lab.engine.restrain(first.instance_id, restrained=restrained)
        assert await lab.is_restrained(first.instance_id) is restrained
        assert not await lab.is_restrained(second.instance_id)
    assert set(await lab.engine.list()) == {running(first), running(second)}


async def test_what_does_not_run_has_no_share_to_be_changed(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.restrain(spec.instance_id, restrained=True)
    await lab.engine.start(spec)
    await lab.crash(spec.instance_id)
    await ended(lab, spec)
    await lab.engine.restrain(spec.instance_id, restrained=True)
    await lab.engine.remove(spec.instance_id)
    await lab.engine.restrain(spec.instance_id, restrained=True)
    assert await lab.engine.list() == ()


# -- others' containers --------------------------------------------------------------------------


async def test_it_neither_sees_nor_touches_another_stack(lab: Lab) -> None:
    spec = make_spec()
    await lab.neighbour.start(spec)

    assert await lab.engine.list() == ()
    assert await lab.engine.inspect(spec.instance_id) is None
    await lab.engine.remove(spec.instance_id)

    assert await lab.neighbour.list() == (running(spec, stack=NEIGHBOUR.stack),)


async def test_it_leaves_a_foreign_container_of_the_same_name_alone(lab: Lab) -> None:
    spec = make_spec()
    await lab.squat(spec.instance_id)

    with pytest.raises(EngineError, match="not ours"):
        await lab.engine.start(spec)
    await lab.engine.remove(spec.instance_id)

    assert await lab.engine.inspect(spec.instance_id) is None
    assert await lab.engine.logs(spec.instance_id) == ""
    assert await lab.squatters() == 1


# -- what others do to ours ----------------------------------------------------------------------


async def test_it_finds_a_renamed_container_by_its_label(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.rename(spec.instance_id, "distros-contract-renamed")
    renamed = dataclasses.replace(running(spec), name="distros-contract-renamed")

    assert await lab.engine.inspect(spec.instance_id) == renamed
    assert await lab.engine.list() == (renamed,)
    await lab.engine.remove(spec.instance_id)
    assert await lab.engine.list() == ()


async def test_it_finds_a_renamed_container_that_another_process_started(lab: Lab) -> None:
    spec = make_spec()
    await lab.create_without_starting(spec)
    await lab.rename(spec.instance_id, "distros-contract-renamed")

    await lab.engine.remove(spec.instance_id)

    assert await lab.engine.list() == ()


async def test_it_says_what_is_paused_and_lets_it_go_on(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.pause(spec.instance_id)
    paused = dataclasses.replace(running(spec), paused=True)
    assert await lab.engine.inspect(spec.instance_id) == paused
    assert await lab.engine.list() == (paused,)

    await lab.engine.unpause(spec.instance_id)
    await lab.engine.unpause(spec.instance_id)  # it is not paused any more
    await lab.engine.unpause(new_instance_id())

    assert await lab.engine.list() == (running(spec),)


async def test_it_removes_what_is_paused(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.pause(spec.instance_id)

    await lab.engine.remove(spec.instance_id)

    assert await lab.engine.list() == ()


async def test_it_lists_what_bears_its_labels_in_part_and_removes_it_by_id(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    labels = await lab.labels(spec.instance_id)
    await lab.create("distros-contract-odd", labels | {LABEL_EXPIRES_AT: "tomorrow"})
    await lab.create("distros-contract-bare", managed_labels(ROUTING.stack))

    listed = {look.name: look for look in await lab.engine.list()}

    assert {name: look.whole for name, look in listed.items()} == {
        container_name(ROUTING.stack, spec.instance_id): True,
        "distros-contract-odd": False,
        "distros-contract-bare": False,
    }
    for name in ("distros-contract-odd", "distros-contract-bare"):
        await lab.engine.remove_container(listed[name].container_id)
        await lab.engine.remove_container(listed[name].container_id)  # it is gone
    assert await lab.engine.list() == (running(spec),)


async def test_it_takes_the_one_of_the_right_name_for_the_instances(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.create("distros-contract-clone", await lab.labels(spec.instance_id))

    assert await lab.engine.inspect(spec.instance_id) == running(spec)
    assert len(await lab.engine.list()) == 2


# -- the proxy -----------------------------------------------------------------------------------


async def test_a_nudge_leaves_nothing_behind_and_is_no_instance(lab: Lab) -> None:
    await lab.engine.nudge(IMAGE)

    assert await eventually(lab.engine.list, lambda listed: listed == ()) == ()


async def test_a_nudge_needs_an_image_that_is_there(lab: Lab) -> None:
    with pytest.raises(ImageMissing):
        await lab.engine.nudge("distros-contract/never-built:1")


# -- endings -------------------------------------------------------------------------------------


async def test_it_tells_the_exit_code_of_a_crash(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    code = await lab.crash(spec.instance_id)

    crashed = dataclasses.replace(running(spec), running=False, exit_code=code)
    assert await ended(lab, spec) == crashed
    assert await lab.engine.list() == (crashed,)


async def test_it_recognises_the_end_of_memory(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    await lab.exhaust_memory(spec.instance_id)

    assert await ended(lab, spec) == dataclasses.replace(
        running(spec), running=False, exit_code=137, out_of_memory=True
    )


async def test_it_has_removed_once_remove_returns(lab: Lab) -> None:
    spec, other = make_spec(), make_spec()
    await lab.engine.start(spec)
    await lab.engine.start(other)

    await lab.engine.remove(spec.instance_id)

    assert await lab.engine.inspect(spec.instance_id) is None
    assert await lab.engine.list() == (running(other),)


async def test_it_removes_what_has_crashed(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.crash(spec.instance_id)
    await ended(lab, spec)

    await lab.engine.remove(spec.instance_id)

    assert await lab.engine.list() == ()


async def test_it_is_content_to_remove_twice_or_what_never_was(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    await lab.engine.remove(spec.instance_id)
    await lab.engine.remove(spec.instance_id)
    await lab.engine.remove(new_instance_id())

    assert await lab.engine.list() == ()


async def test_it_has_removed_for_each_of_those_who_remove_at_once(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    async def remove_and_look() -> Observation | None:
        await lab.engine.remove(spec.instance_id)
        return await lab.engine.inspect(spec.instance_id)

    assert await asyncio.gather(*(remove_and_look() for _ in range(8))) == [None] * 8


async def test_it_hands_on_what_a_program_in_the_container_writes(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    async with aclosing(lab.engine.output(spec.instance_id, ["printf", "hello"])) as pieces:
        assert await everything(pieces) == b"hello"


@pytest.mark.parametrize(("command", "status"), [("false", {1}), ("no-such-program", {126, 127})])
async def test_it_tells_how_a_program_has_ended_that_failed(
    lab: Lab, command: str, status: set[int]
) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    async with aclosing(lab.engine.output(spec.instance_id, [command])) as pieces:
        with pytest.raises(CommandFailed) as failed:
            await everything(pieces)
    assert failed.value.status in status


async def test_nothing_is_run_where_no_container_runs(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.has_greeted(spec.instance_id)
    await lab.crash(spec.instance_id)
    await ended(lab, spec)

    for instance_id in (spec.instance_id, new_instance_id()):
        with pytest.raises(EngineError):
            async with aclosing(lab.engine.output(instance_id, ["printf", "hello"])) as pieces:
                await anext(pieces)


async def test_it_reads_the_log_while_there_is_one(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)
    await lab.has_greeted(spec.instance_id)

    log = await lab.engine.logs(spec.instance_id)
    last = await lab.engine.logs(spec.instance_id, tail=1)
    await lab.engine.remove(spec.instance_id)

    assert sorted(log.splitlines()) == ["greeting hello", "ready"]
    assert len(last.splitlines()) == 1
    assert await lab.engine.logs(spec.instance_id) == ""


# -- events --------------------------------------------------------------------------------------


async def test_it_lists_first_and_then_tells_of_an_end(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    async with asyncio.timeout(PATIENCE), aclosing(lab.engine.events()) as events:
        assert await anext(events) == Listed((running(spec),))

        await lab.crash(spec.instance_id)
        await ended(lab, spec)
        assert await told_of(events, spec)


async def test_it_tells_of_a_removal_behind_its_back(lab: Lab) -> None:
    spec = make_spec()
    await lab.engine.start(spec)

    async with asyncio.timeout(PATIENCE), aclosing(lab.engine.events()) as events:
        await anext(events)
        await lab.remove_outside(spec.instance_id)

        assert await told_of(events, spec)


async def test_it_says_nothing_of_another_stacks_changes(lab: Lab) -> None:
    neighbours, ours = make_spec(), make_spec()
    await lab.neighbour.start(neighbours)
    await lab.engine.start(ours)

    async with asyncio.timeout(PATIENCE), aclosing(lab.engine.events()) as events:
        assert await anext(events) == Listed((running(ours),))
        await lab.neighbour.remove(neighbours.instance_id)
        await lab.engine.remove(ours.instance_id)

        heard = set()
        async for event in events:
            heard.add(event)
            if event == Changed(ours.instance_id):
                break
        assert Changed(neighbours.instance_id) not in heard


async def told_of(events: AsyncGenerator[EngineEvent, None], spec: StartSpec) -> bool:
    async for event in events:
        if event == Changed(spec.instance_id):
            return True
    return False


# -- images --------------------------------------------------------------------------------------


async def test_it_knows_which_images_are_there(lab: Lab) -> None:
    assert await lab.engine.image_id(IMAGE)
    assert await lab.engine.image_id("distros-contract/never-built:1") is None


async def test_it_builds_an_image_and_tells_how_far_it_is(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nENV BUILT=yes\n")
    ref = "distros-contract/built:1"

    progress = [line.text async for line in lab.engine.build(tmp_path, ref)]

    assert progress[0].startswith("Step 1/")
    assert await lab.engine.image_id(ref)


async def test_it_says_that_there_is_nothing_to_build(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no Dockerfile"):
        async for _ in lab.engine.build(tmp_path, "distros-contract/nothing:1"):
            pass
