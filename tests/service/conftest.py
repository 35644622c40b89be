import pytest

from orchestrator.service import pool, pool_care, pool_sizes, queue


@pytest.fixture
def hurried_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals of the pool's and the queue's loops, a hundred times as short."""
    monkeypatch.setattr(pool_care, "TEND_INTERVAL", 0.02)
    monkeypatch.setattr(pool_care, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(pool, "REFILL_PAUSE", 0.0)
    monkeypatch.setattr(pool_sizes, "REFILL_PAUSE", 0.0)
    monkeypatch.setattr(pool, "FIRST_BACKOFF", 0.05)
    monkeypatch.setattr(queue, "LOOK_INTERVAL", 0.01)
