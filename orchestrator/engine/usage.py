"""What a container uses, from Docker's answer; on a machine with either version of cgroups."""

import json
from datetime import datetime
from typing import Any

from .base import Usage
from .sdk import Client


def ask(client: Client, container_id: str) -> Usage | None:
    """The SDK would ask for a second sample, for which the engine waits."""
    one = {"stream": "false", "one-shot": "true"}
    return usage_of(json.loads(client.fetch(f"/containers/{container_id}/stats", **one)))


def usage_of(told: dict[str, Any]) -> Usage | None:
    """None for what does not run: then there are no figures."""
    memory = told.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    counters = memory.get("stats") or {}
    cached = counters.get("total_inactive_file", counters.get("inactive_file", 0))
    return Usage(
        at=datetime.fromisoformat(told["read"]),
        cpu=told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory=max(memory["usage"] - cached, 0),
        memory_limit=memory.get("limit", 0),
    )
