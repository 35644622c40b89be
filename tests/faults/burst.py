"""As many requests as the loopback interface takes, over a few connections that stay open."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

HEALTH_INTERVAL = 0.1  # seconds


@dataclass
class Burst:
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)  # ids
    without_retry_after: int = 0
    slowest_health: float = 0.0  # seconds
    seconds: float = 0.0


async def burst(url: str, *, requests: int, connections: int, **headers: str) -> Burst:
    """POSTs so many launches, and asks for `/healthz` all the while."""
    result = Burst()
    left = iter(range(requests))
    started = time.monotonic()
    limits = httpx.Limits(max_connections=connections + 1)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=30, trust_env=False, limits=limits
    ) as client:
        watching = asyncio.create_task(_watch_health(client, result))
        await asyncio.gather(*(_send(client, left, result) for _ in range(connections)))
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    result.seconds = time.monotonic() - started
    return result


async def _send(client: httpx.AsyncClient, left: Iterator[int], result: Burst) -> None:
    for _ in left:
        answer = await client.post("/api/v1/instances", json={"distribution": "wiki"})
        result.statuses[answer.status_code] += 1
        if answer.is_success:
            result.accepted.add(answer.json()["id"])
        elif "Retry-After" not in answer.headers:
            result.without_retry_after += 1


async def _watch_health(client: httpx.AsyncClient, result: Burst) -> None:
    while True:
        asked = time.monotonic()
        (await client.get("/healthz")).raise_for_status()
        result.slowest_health = max(result.slowest_health, time.monotonic() - asked)
        await asyncio.sleep(HEALTH_INTERVAL)
