"""Hours of visitors in a row: what the process holds stays level, and every promise is kept."""

import pytest

from .soak import CAPACITY, DESCRIPTORS_RISE, MEMORY_RISES, THREADS_RISE, Soak
from .stand import Stand


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """As `--minutes` says; without it, a moment to see that the soak itself works."""
    minutes: float | None = request.config.getoption("--minutes")
    return 12.0 if minutes is None else minutes * 60


@pytest.mark.timeout(0)
def test_memory_descriptors_and_threads_stay_level(scene: Stand, seconds: float) -> None:
    scene.restart_service(DISTROS_CAPACITY=str(CAPACITY))
    scene.promises.capacity = CAPACITY
    soak = Soak(scene)
    soak.run(seconds, every=max(1.0, seconds / 360))
    rises = {
        "memory": soak.rise(lambda each: each.memory),
        "descriptors": soak.rise(lambda each: each.descriptors),
        "threads": soak.rise(lambda each: each.threads),
    }
    print(f"\n{soak.table()}\n" + ", ".join(f"{key} {value:+.1f}" for key, value in rises.items()))
    soak.until_over()
    scene.promises.check()
    assert soak.broken == []
    assert soak.launched > seconds / 5
    if seconds >= 300:  # in less, a line would be drawn through noise
        assert rises["memory"] < MEMORY_RISES * soak.mean_memory()
        assert rises["descriptors"] < DESCRIPTORS_RISE
        assert rises["threads"] < THREADS_RISE
    scene.restart_service()  # with as many places as the other tests expect
