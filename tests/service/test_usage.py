"""What Docker says of a container's use, with either version of cgroups."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.engine.base import Usage
from orchestrator.engine.usage import usage_of

READ = "2026-11-25T22:21:04.408028754Z"
AT = datetime(2026, 11, 25, 22, 21, 4, 408028, tzinfo=UTC)
CPU = {"cpu_usage": {"total_usage": 1_500_000_000}}


@pytest.mark.parametrize(
    "counters",
    [
        {"total_inactive_file": 1000, "inactive_file": 7},  # version 1, of all below it
        {"inactive_file": 1000},
    ],
)
def test_cached_files_do_not_count_as_memory(counters: dict[str, int]) -> None:
    memory = {"usage": 5000, "limit": 9000, "stats": counters}
    told = {"read": READ, "cpu_stats": CPU, "memory_stats": memory}
    assert usage_of(told) == Usage(AT, cpu=1.5, memory=4000, memory_limit=9000)


def test_more_cached_than_used_is_nothing_used() -> None:
    """The two are read one after the other."""
    memory = {"usage": 5, "limit": 9, "stats": {"inactive_file": 6}}
    found = usage_of({"read": READ, "cpu_stats": CPU, "memory_stats": memory})
    assert found is not None and found.memory == 0


@pytest.mark.parametrize("memory", [{}, None, {"stats": {}}])
def test_without_figures_it_does_not_run(memory: Any) -> None:
    told = {"read": "0001-01-01T00:00:00Z", "cpu_stats": CPU, "memory_stats": memory}
    assert usage_of(told) is None
