"""The database is locked or full, the engine's disk is full: nothing lost, and it is told."""

import time
from collections.abc import Iterator

import pytest

from .engine import Disk
from .rows import locked
from .service import eventually
from .stand import Stand


def test_the_database_is_locked(scene: Stand, long: bool) -> None:
    site = scene.launch()
    short_lived = scene.launch(lifetime=10)["id"]
    with scene.promises.watch.out_of_order(), locked(scene.service.database):
        until = time.monotonic() + (30 if long else 5)
        while time.monotonic() < until:
            assert scene.service.answers()
            refused = scene.ask()
            assert refused.status_code == 503 and refused.headers["Retry-After"]
            assert refused.json()["code"] == "store_unavailable"
    assert scene.until(short_lived, "gone")["reason"] == "expired"
    assert scene.show(site["id"])["state"] == "ready"
    eventually(scene.service.ready, "launches work again")
    scene.launch()


@pytest.fixture(params=["8MiB", "0B"])
def small_disk(request: pytest.FixtureRequest, standing: Stand) -> Iterator[Disk]:
    """The database is on a disk of its own for this test; with a reserve, and without. No instance
    is there when it comes and goes: the other database would not know of it."""
    standing.heal()
    disk = Disk(standing.engine.folder, "small", "32M")
    before = standing.service.database
    standing.service.terminate()
    standing.service.database = disk.path / "distros.db"
    standing.service.start(DISTROS_DISK_RESERVE=request.param)
    yield disk
    disk.empty()
    standing.heal()
    standing.service.terminate()
    standing.service.database = before
    disk.close()


def test_the_database_s_disk_is_full(small_disk: Disk, scene: Stand) -> None:
    sites = [scene.launch()["id"] for _ in range(2)]
    with scene.promises.watch.out_of_order():
        small_disk.fill()
        scene.refused()
        assert scene.service.answers()
        small_disk.empty()
    for instance_id in sites:
        assert scene.show(instance_id)["state"] == "ready"
    scene.promises.settle()
    for instance_id in scene.promises.accepted:
        scene.delete(instance_id)
    eventually(scene.service.ready, "launches work again")
    scene.launch()


def test_the_engine_s_disk_is_full(scene: Stand) -> None:
    site = scene.launch()["id"]
    scene.engine.disk.fill()
    for _ in range(3):
        answer = scene.ask()
        if answer.is_success:
            told = scene.until(answer.json()["id"], "ready", "failed")
            assert told["state"] == "ready" or "no space" in told["detail"]
        else:
            assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert scene.show(site)["state"] == "ready"
    scene.engine.disk.empty()
    eventually(scene.service.ready, "launches work again")
    scene.launch()
