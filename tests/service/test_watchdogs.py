"""What stops without a word is noticed, told, and begun again."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from orchestrator.domain.models import Reason
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.engine.base import EngineEvent, Listed, Lost
from orchestrator.service import background, consumer
from orchestrator.service.background import Background
from orchestrator.service.consumer import Consumer
from tests.support import World, running

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RESTART_DELAY", 0.01)


async def check_of(world: World, name: str) -> str:
    checks = {check.name: check.error for check in await world.services.checkup.checks()}
    error = checks[name]
    return error.message if error else "ok"


async def test_every_part_is_told(world: World) -> None:
    async with world.client() as anna:
        ready = await anna.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["checks"] == dict.fromkeys(
        ["engine", "proxy", "store", "pressure", "events", "loops", "launch"], "ok"
    )


async def test_a_list_that_does_not_come_fails_readiness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "SLACK", 0.0)
    monkeypatch.setattr(consumer, "LONGEST_BACKOFF", 60.0)
    async with running(tmp_path, relist_interval="60s") as world:
        following = world.services.consumer
        while not following.lists:
            await asyncio.sleep(0.01)
        assert await check_of(world, "events") == "ok"

        following._listed_at -= 61

        assert following.list_age > 61 > following.word_age
        assert re.fullmatch(
            r"The engine's last list is 6\d s old; it is due at least every 60 s\.",
            await check_of(world, "events"),
        )
        async with world.client() as anna:
            assert (await anna.get("/readyz")).status_code == 503


async def test_a_loop_that_hangs_is_begun_again_and_sees_what_it_has_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "SLACK", -60.0 + 1.0)
    monkeypatch.setattr(consumer, "LONGEST_BACKOFF", -60.0)
    async with running(tmp_path, relist_interval="60s") as world:
        instance = await world.launched()
        real, hung = world.engine.events, asyncio.Event()

        async def hangs() -> AsyncGenerator[EngineEvent, None]:
            yield Listed(await world.engine.list())
            hung.set()
            await asyncio.Event().wait()

        world.engine.events = hangs  # type: ignore[method-assign]
        await hung.wait()
        world.engine.events = real  # type: ignore[method-assign]
        await world.engine.host.remove_outside(world.engine.name_of(instance.id))

        assert (await world.ended(instance.id)).reason is Reason.REMOVED_OUTSIDE
        assert "TimeoutError" in world.services.background.loops["events"].error


async def test_an_engine_that_is_away_is_no_loop_that_hangs() -> None:
    following = Consumer(window=0.0, call=0.0)
    following._hangs_after = 1.0
    async with following.watchdog() as heard:
        for _ in range(3):
            await asyncio.sleep(0.4)
            heard(Lost("The Docker Engine cannot be reached."))
    assert following.lists == 0
    following._hangs_after = 0.05
    with pytest.raises(TimeoutError):
        async with following.watchdog():
            await asyncio.Event().wait()


async def test_a_loop_that_fails_again_and_again_fails_readiness(world: World) -> None:
    may_fail = asyncio.Semaphore(0)

    async def fails() -> None:
        await may_fail.acquire()
        raise KeyError("a mistake of ours")

    world.services.background.loop(fails, name="clumsy")
    known = world.services.background.loops["clumsy"]
    for failures in range(background.TOO_MANY):
        assert await check_of(world, "loops") == "ok"
        may_fail.release()
        while known.failures == failures:
            await asyncio.sleep(0.01)

    assert await check_of(world, "loops") == (
        "The loop “clumsy” fails again and again; the log says why."
    )
    assert known.failures == 3 and known.error == "KeyError: 'a mistake of ours'"


async def test_a_loop_is_well_as_soon_as_what_was_away_is_back(world: World) -> None:
    async def fails_while_the_store_is_away() -> None:
        if loop.failures < background.TOO_MANY:
            raise StoreUnavailable("The database is locked.")
        await asyncio.Event().wait()

    loops = world.services.background
    loops.loop(fails_while_the_store_is_away, name="waiting")
    loop = loops.loops["waiting"]
    while loop.failures < background.TOO_MANY:
        await asyncio.sleep(0.01)
    assert await check_of(world, "loops") == "ok"


async def test_a_loop_that_failed_long_ago_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LATELY", 0.02)
    held = asyncio.Event()

    async def fails_thrice() -> None:
        if loops.loops["clumsy"].failures < 3:
            raise KeyError
        held.set()
        await asyncio.Event().wait()

    async with Background() as loops:
        loops.loop(fails_thrice, name="clumsy")
        await held.wait()
        async with asyncio.timeout(10):
            while loops.trouble():
                await asyncio.sleep(0.005)


async def test_what_is_begun_while_leaving_does_not_hold_it_up() -> None:
    """A loop that is cancelled may still end an instance; its removal goes on in the next
    process."""
    begun: list[str] = []

    async def for_ever() -> None:
        begun.append("removal")
        await asyncio.Event().wait()

    async def ends_something() -> None:
        begun.append("loop")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            loops.once("end", for_ever)

    async with asyncio.timeout(1):
        async with Background() as loops:
            loops.loop(ends_something, name="synthetic launch")
            while not begun:
                await asyncio.sleep(0)
    assert begun == ["loop"]
