"""One stream of the engine's events, for ever: list, then watch.

Policy:

- Each connection notes the engine's own time, lists everything (`Listed`), then watches from the
  noted time on: what happens during the list is seen twice rather than never.
- The watch lasts one window (`relist_interval`): the engine itself ends it, and everything is
  listed anew. So whatever was missed, by whomever's mistake, is found within a window.
- Any end of the stream means disconnected; an end before the window is over means trouble.
- Trouble, and every error, is told (`Lost`), logged and backed off from: 0.1 s, doubling to 15 s,
  with jitter, so that several services do not return in step. A connection that held for 5 s
  resets it.
- An engine that keeps silent beyond the window (a dead connection without an end) is cut off
  `SLACK` seconds later by the stream's read timeout.
- It ends only when it is closed or cancelled, and then leaves neither thread nor socket.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import structlog

from ..domain.engine_errors import EngineError
from ..domain.naming import LABEL_INSTANCE
from ..domain.outages import EngineUnavailable
from .base import Changed, EngineEvent, Listed, Lost, Observation
from .routing import managed_labels
from .sdk import Client, Sdk
from .stream import Line, stream

SLACK: Final = 10.0  # seconds
STEADY: Final = 5.0  # seconds after which a connection counts as a success

# What can end an instance, or change the route to it. Starts are our own doing, and looking at each
# would cost a launch more than it tells; the rest would only fill the engine's buffer of 256.
_ACTIONS: Final = ["die", "oom", "destroy", "rename", "pause", "unpause"]

log = structlog.get_logger(__name__)


class Source(Protocol):
    """What `follow` needs of an engine."""

    async def now(self) -> int:
        """The engine's clock in whole seconds of Unix time, rounded down."""

    async def list(self) -> tuple[Observation, ...]: ...

    def watch(self, since: int, until: int) -> AsyncGenerator[str, None]:
        """The ids of instances to which something happened; ends at `until` (Unix time)."""


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row (1, 2, …)."""
    longest = min(15.0, 0.1 * 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1.0)


async def follow(
    source: Source,
    *,
    window: float,
    backoff: Callable[[int], float] = backoff,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[EngineEvent, None]:
    """The policy above. `window` in seconds. Close it with `contextlib.aclosing`."""
    failures = 0
    while True:
        opened = clock()
        trouble: str | None = None
        try:
            since = await source.now()
            yield Listed(await source.list())
            # A second more, because `since` was rounded down.
            until = since + 1 + math.ceil(window)
            async with aclosing(source.watch(since, until)) as changes:
                async for instance_id in changes:
                    yield Changed(instance_id)
            if clock() - opened < window:
                trouble = "The stream ended early."
        except (EngineUnavailable, EngineError) as error:
            trouble = error.message
        if clock() - opened >= min(STEADY, window):
            failures = 0
        if trouble is not None:
            failures += 1
            delay = backoff(failures)
            log.warning("engine_events_lost", reason=trouble, retry_in=round(delay, 2))
            yield Lost(trouble)
            await sleep(delay)


async def engine_time(sdk: Sdk) -> int:
    """From the Date header of a ping: the cheapest answer that has a time in it."""

    def ping(client: Client) -> str | None:
        response = client.get(f"{client.base_url}/_ping")
        response.raise_for_status()
        return response.headers.get("Date")

    date = await sdk.call(ping)
    return int(parsedate_to_datetime(date).timestamp() if date else time.time())


async def watch(
    sdk: Sdk, stack: str, since: int, until: int, *, silence: float
) -> AsyncGenerator[str, None]:
    """Docker's events of this stack's containers, as instance ids."""
    filters = {
        "type": "container",
        "label": [f"{key}={value}" for key, value in managed_labels(stack).items()],
        "event": _ACTIONS,
    }

    def request(client: Client) -> Any:
        return client.events(since=since, until=until, filters=filters, decode=True)

    async with aclosing(stream(sdk, request, silence=silence)) as lines:
        async for line in lines:
            if instance_id := _instance_of(line):
                yield instance_id


def _instance_of(line: Line) -> str | None:
    attributes = (line.get("Actor") or {}).get("Attributes") or {}
    instance_id = attributes.get(LABEL_INSTANCE)
    return instance_id if isinstance(instance_id, str) else None
