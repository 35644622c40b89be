"""What a pull promises, against a real registry (`tests/registry.py`) and a real Docker Engine."""

import asyncio
import math
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import docker
import pytest

import orchestrator.engine.images
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.base import Engine, ImageProgress
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.fake import FakeEngine

from ..registry import Registry, Tap, noise, open_tap, running_registry
from .conftest import DOCKER_URL, ROUTING, eventually
from .wire import open_wire

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SIZES = (3_000_000, 2_000_000, 1_000_000)
ALL_LAYERS = sum(SIZES)
OVERHEAD = 20_000  # bytes that compression adds to layers of noise, at most
SOME = 400_000  # bytes a connection: enough for the manifest and the beginning of each layer


@pytest.fixture(scope="module")
def stocked(
    docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """With one image, `wiki`, of three layers."""
    with running_registry(tmp_path_factory.mktemp("registry"), docker_client) as running:
        running.push("wiki", *map(noise, SIZES))
        yield running


@pytest.fixture
def registry(stocked: Registry) -> Iterator[Registry]:
    """The engine has none of its layers, by whatever name."""
    yield stocked
    stocked.forget_all()


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    made = DockerEngine(DOCKER_URL, routing=ROUTING, timeout=5)
    yield made
    await made.close()


@pytest.fixture
async def tap(registry: Registry) -> AsyncIterator[Tap]:
    async with open_tap(registry) as opened:
        yield opened


async def pull(engine: Engine, ref: str) -> list[ImageProgress]:
    async with aclosing(engine.pull(ref)) as lines:
        return [line async for line in lines]


async def until(
    lines: AsyncGenerator[ImageProgress, None], wanted: Callable[[ImageProgress], bool]
) -> ImageProgress:
    async for line in lines:
        if wanted(line):
            return line
    raise AssertionError("The pull has ended.")


def has_begun(line: ImageProgress) -> bool:
    return bool(line.current)


# -- progress ------------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "docker"])
async def pulled(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Engine, str]]:
    """An engine, and an image that a registry has and it has not."""
    if request.param == "fake":
        yield FakeEngine(ROUTING), "test/wiki:1"
        return
    registry: Registry = request.getfixturevalue("registry")
    made = DockerEngine(DOCKER_URL, routing=ROUTING)
    yield made, registry.ref("wiki")
    await made.close()


async def test_it_tells_bytes_that_only_grow_and_ends_with_all_of_them(
    pulled: tuple[Engine, str],
) -> None:
    engine, ref = pulled
    assert await engine.image_id(ref) is None

    told = await pull(engine, ref)

    assert await engine.image_id(ref)
    currents = [line.current for line in told if line.current is not None]
    totals = [line.total for line in told if line.total is not None]
    assert all(earlier <= later for earlier, later in pairwise(currents))
    assert all(earlier <= later for earlier, later in pairwise(totals))
    assert all(line.current <= line.total for line in told if line.current and line.total)
    assert told[0].current is None
    assert told[-1].arrived
    assert told[-1].sentence == "Unpacking the image"
    assert told[-1].text == f"Status: Downloaded newer image for {ref}"


async def test_the_bytes_are_those_of_the_registry(
    engine: DockerEngine, registry: Registry
) -> None:
    last = (await pull(engine, registry.ref("wiki")))[-1]

    assert last.current is not None
    assert ALL_LAYERS <= last.current <= ALL_LAYERS + OVERHEAD


async def test_it_tells_amounts_and_percent_under_way(
    engine: DockerEngine, registry: Registry, tap: Tap
) -> None:
    ref = registry.ref("wiki", port=tap.port)
    await tap.turn(SOME)

    async with aclosing(engine.pull(ref)) as lines:
        line = await until(lines, lambda line: line.total is not None)
        assert await engine.image_id(ref) is None
        assert line.current is not None
        assert 0 < line.current <= len(SIZES) * SOME
        assert line.percent == line.current * 100 // (line.total or 0)
        assert line.sentence.endswith(f" of 6.0 MB, {line.percent} %")
        await tap.turn(math.inf)
        await until(lines, lambda line: line.arrived)
        async for _ in lines:
            pass

    assert await engine.image_id(ref)


async def test_an_image_that_is_here_counts_no_bytes(
    engine: DockerEngine, registry: Registry
) -> None:
    await pull(engine, ref := registry.ref("wiki"))

    again = await pull(engine, ref)

    assert {(line.current, line.total) for line in again} == {(None, None)}
    assert again[-1].text == f"Status: Image is up to date for {ref}"


async def test_only_layers_that_are_not_here_count(
    engine: DockerEngine, registry: Registry
) -> None:
    await pull(engine, base := registry.ref("wiki"))
    more = registry.push("more", noise(500_000), base=base)
    await pull(engine, base)  # the push took it along

    told = await pull(engine, more)

    assert sum("Already exists" in line.text for line in told) == len(SIZES)
    assert told[-1].current is not None
    assert 500_000 <= told[-1].current <= 500_000 + OVERHEAD
    assert told[-1].arrived


# -- refusals and bad connections ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["wiki:9", "nothing:1"])
async def test_it_says_that_the_registry_has_no_such_image(
    engine: DockerEngine, registry: Registry, name: str
) -> None:
    ref = f"127.0.0.1:{registry.port}/{name}"

    with pytest.raises(EngineError, match=r"could not be pulled: manifest .* not found") as failure:
        await pull(engine, ref)

    assert failure.value.message.startswith(ref)
    assert failure.value.hint.startswith("Check its name and tag")
    assert await engine.image_id(ref) is None


async def test_it_leaves_neither_thread_nor_socket_when_a_pull_is_closed(
    registry: Registry, tap: Tap
) -> None:
    ref = registry.ref("wiki", port=tap.port)
    await tap.turn(SOME)
    with tempfile.TemporaryDirectory() as folder:
        async with open_wire(Path(folder)) as wire:
            engine = DockerEngine(wire.url, routing=ROUTING, timeout=5)
            async with aclosing(engine.pull(ref)) as lines:
                await until(lines, has_begun)
                assert await wire.open_connections()
                started = time.monotonic()

            assert time.monotonic() - started < 1
            assert not [one for one in threading.enumerate() if one.name == "engine-stream"]
            await eventually(wire.open_connections, lambda count: count == 0)
            assert await engine.image_id(ref) is None
            await engine.close()


async def test_two_pulls_of_one_image_both_end_well(
    engine: DockerEngine, registry: Registry, tap: Tap
) -> None:
    ref = registry.ref("wiki", port=tap.port)
    await tap.turn(SOME)

    async with aclosing(engine.pull(ref)) as first, aclosing(engine.pull(ref)) as second:
        await until(first, has_begun)
        await until(second, has_begun)
        await tap.turn(math.inf)
        ends = [[line async for line in lines][-1] for lines in (first, second)]

    assert [end.arrived for end in ends] == [True, True]
    assert await engine.image_id(ref)


async def test_a_pull_goes_on_when_another_of_the_same_image_is_closed(
    engine: DockerEngine, registry: Registry, tap: Tap
) -> None:
    ref = registry.ref("wiki", port=tap.port)
    await tap.turn(SOME)

    async with aclosing(engine.pull(ref)) as staying:
        await until(staying, has_begun)
        async with aclosing(engine.pull(ref)) as leaving:
            await until(leaving, has_begun)
        await tap.turn(math.inf)
        last = [line async for line in staying][-1]

    assert last.arrived
    assert await engine.image_id(ref)


async def test_it_gives_up_a_registry_that_holds_the_line(
    engine: DockerEngine, registry: Registry, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator.engine.images, "STALL", 1.0)
    ref = registry.ref("wiki", port=tap.port)
    await tap.turn(SOME)

    with pytest.raises(EngineError, match=r"could not be pulled: nothing has arrived for 1 s\."):
        await pull(engine, ref)

    assert not [one for one in threading.enumerate() if one.name == "engine-stream"]


async def test_it_gives_up_a_registry_that_dies(
    engine: DockerEngine,
    docker_client: docker.APIClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orchestrator.engine.images, "STALL", 3.0)
    with running_registry(tmp_path, docker_client) as dying:
        dying.push("wiki", *map(noise, SIZES))
        async with open_tap(dying) as tap:
            await tap.turn(SOME)
            async with aclosing(engine.pull(dying.ref("wiki", port=tap.port))) as lines:
                await until(lines, lambda line: line.total is not None)
                dying.die()
                await tap.cut()
                started = time.monotonic()

                # Docker's own attempts take longer; sometimes it gives up first.
                with pytest.raises(EngineError, match="could not be pulled: "):
                    await until(lines, lambda line: line.arrived)

    assert time.monotonic() - started < 10


async def test_it_does_not_take_a_cut_connection_to_the_engine_for_the_end(
    registry: Registry, tap: Tap
) -> None:
    await tap.turn(SOME)
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has 108 characters
        async with open_wire(Path(folder)) as wire:
            engine = DockerEngine(wire.url, routing=ROUTING, timeout=5)
            async with aclosing(engine.pull(registry.ref("wiki", port=tap.port))) as lines:
                await until(lines, has_begun)
                waiting = asyncio.create_task(until(lines, lambda line: line.arrived))
                await wire.cut()
                with pytest.raises(EngineUnavailable, match="cannot be reached"):
                    await waiting
            await engine.close()


# -- by digest -------------------------------------------------------------------------------------


async def test_an_image_named_by_its_digest_is_that_one_whatever_its_tag_means_now(
    registry: Registry, engine: DockerEngine, docker_client: docker.APIClient
) -> None:
    ref = registry.push("pinned", noise(1000))
    await pulled_all(engine, ref)
    image: dict[str, list[str]] = docker_client.inspect_image(ref)  # type: ignore[no-untyped-call]
    [named] = image["RepoDigests"]
    pinned = f"{ref}@{named.partition('@')[2]}"
    first = await engine.image_id(ref)
    registry.forget(ref)
    registry.push("pinned", noise(1000))  # somebody else's, under the same tag

    await pulled_all(engine, pinned)

    registry.refs.add(named)
    assert await engine.image_id(pinned) == first
    await pulled_all(engine, ref)
    assert await engine.image_id(ref) != first


async def test_a_digest_that_the_registry_does_not_have_is_refused(
    registry: Registry, engine: DockerEngine
) -> None:
    ref = registry.push("pinned", noise(1000))
    wrong = f"{ref}@sha256:{'0' * 64}"

    with pytest.raises(EngineError, match="could not be pulled"):
        await pulled_all(engine, wrong)

    assert await engine.image_id(wrong) is None


async def pulled_all(engine: DockerEngine, ref: str) -> None:
    async with aclosing(engine.pull(ref)) as lines:
        async for _ in lines:
            pass
