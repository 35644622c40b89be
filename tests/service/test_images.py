"""Images that are missing come by themselves, and cards say how far they have come."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.engine_errors import EngineError, ImageRefused
from orchestrator.domain.models import State
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.base import ImageProgress
from orchestrator.service import images as images_module
from orchestrator.service.images import Images
from tests.support import ANNA, MISSING, WIKI, World, running

pytestmark = pytest.mark.anyio

PULLED = MISSING.model_copy(
    update={"image": MISSING.image.model_copy(update={"build": False, "ref": "test/pulled:1"})}
)


async def in_time(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def catalog_with_dockerfile(folder: Path) -> Catalog:
    (folder / "missing").mkdir()
    (folder / "missing" / "Dockerfile").write_text("FROM scratch\n")
    return Catalog([WIKI, MISSING], folder)


async def card(world: World, slug: str = "missing") -> dict[str, object]:
    async with world.client() as anna:
        listed = (await anna.get("/api/v1/distributions")).json()["distributions"]
    [found] = [one for one in listed if one["slug"] == slug]
    return {"available": found["available"], "coming": found["coming"]}


async def test_what_is_missing_at_the_start_is_built_beside_everything_else(
    tmp_path: Path,
) -> None:
    catalog = catalog_with_dockerfile(tmp_path)
    async with running(tmp_path, catalog=catalog, bring_images=True) as world:
        await in_time(lambda: "test/missing:1" in world.engine.host.images)
        await in_time(lambda: world.services.images.id_of("missing") is not None)
        assert await card(world) == {"available": True, "coming": None}
        assert (await world.launched(ANNA, "missing")).state is State.READY


async def test_the_card_says_how_far_it_has_come_and_nobody_waits_for_it(tmp_path: Path) -> None:
    catalog = catalog_with_dockerfile(tmp_path)
    async with running(tmp_path, catalog=catalog) as world:
        go_on = asyncio.Event()

        async def slow(folder: Path, ref: str) -> AsyncGenerator[ImageProgress, None]:
            yield ImageProgress("Step 1/9 : FROM debian")
            await go_on.wait()
            world.engine.host.images[ref] = {}

        world.engine.build = slow  # type: ignore[method-assign]
        images = Images(catalog, world.engine)
        await images.look()
        bringing = asyncio.create_task(images.bring())
        await in_time(lambda: images.coming("missing") is not None)
        assert images.id_of("missing") is None
        assert (await world.launched()).state is State.READY
        go_on.set()
        await in_time(lambda: images.id_of("missing") is not None)
        assert images.coming("missing") is None
        bringing.cancel()


async def test_a_pull_tells_bytes_and_percent(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        images = Images(Catalog([PULLED]), world.engine)
        await images.look()
        told: list[ImageProgress | None] = []
        real = world.engine.pull

        async def listened(ref: str) -> AsyncGenerator[ImageProgress, None]:
            async for line in real(ref):
                yield line
                told.append(images.coming("missing"))

        world.engine.pull = listened  # type: ignore[method-assign]
        bringing = asyncio.create_task(images.bring())
        await in_time(lambda: images.id_of("missing") is not None)
        sentences = {line.sentence for line in told if line}
        assert "Fetching the image: 9 of 20 MB, 45 %" in sentences
        bringing.cancel()


async def test_one_that_fails_does_not_keep_the_others_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "RETRY_INTERVAL", 0.05)
    monkeypatch.setattr(images_module, "LOOK_INTERVAL", 0.02)
    catalog = catalog_with_dockerfile(tmp_path)
    async with running(tmp_path, catalog=catalog) as world:
        world.engine.fail_next("build", EngineError("no network"), times=2)
        images = Images(catalog, world.engine)
        await images.look()
        bringing = asyncio.create_task(images.bring())
        await in_time(lambda: images.id_of("missing") is not None)
        assert [name for name, _ in world.engine.calls].count("build") == 3
        bringing.cancel()


async def test_where_nothing_is_to_be_brought_nothing_is(tmp_path: Path) -> None:
    catalog = catalog_with_dockerfile(tmp_path)
    async with running(tmp_path, catalog=catalog, bring_images=False) as world:
        await world.services.images.look()
        await asyncio.sleep(0.1)
        assert "build" not in {name for name, _ in world.engine.calls}


async def test_an_image_that_an_operator_brings_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "LOOK_INTERVAL", 0.02)
    async with running(tmp_path) as world:
        assert await card(world) == {"available": False, "coming": None}
        world.engine.host.images["test/missing:1"] = {}
        async with asyncio.timeout(5):
            while not (await card(world))["available"]:
                await asyncio.sleep(0.01)


async def test_a_launch_looks_again_before_it_refuses(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.engine.host.images["test/missing:1"] = {}
        assert (await world.launched(ANNA, "missing")).state is State.READY


async def test_while_the_engine_is_away_what_was_seen_last_holds(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.engine.fail_next("image_id", EngineUnavailable("away"))
        await world.services.images.look_quietly()
        assert world.services.images.id_of("wiki") is not None


async def test_an_image_that_was_brought_and_may_not_run_is_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(images_module, "LOOK_INTERVAL", 0.01)
    async with running(tmp_path, catalog=Catalog([PULLED]), bring_images=True) as world:
        refusal = ImageRefused("The image test/pulled:1 runs as root.")
        world.engine.fail_next("check_image", refusal)
        await in_time(lambda: ("check_image", "missing") in world.engine.calls)
        await in_time(lambda: world.services.images.coming("missing") is None)

    assert "The image test/pulled:1 runs as root." in capfd.readouterr().out
