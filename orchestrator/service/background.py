"""One task group owns everything that runs beside the requests.

A task that fails is logged and does not take the others with it; a loop that fails is started
again after half a second, and one that fails three times within a minute is reported (`trouble`).
That something is away, such as the database, does not count: a check of its own reports it, and no
longer than it lasts.

Leaving the context cancels what is left, and what that may still begin, and waits for it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import structlog

from ..domain.errors import DistrosError
from ..domain.outages import Unavailable
from .insist import traceback_of

log = structlog.get_logger(__name__)

RESTART_DELAY = 0.5  # seconds before a failed loop is started again
TOO_MANY = 3  # failures of a loop
LATELY = 60.0  # seconds in which so many are too many


@dataclass(slots=True)
class Loop:
    """What is known of one loop."""

    failures: int = 0  # since the start
    error: str = ""  # the last one
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=TOO_MANY))  # monotonic

    def failed(self, error: Exception) -> None:
        self.failures += 1
        self.error = f"{error.__class__.__name__}: {error}".removesuffix(": ")
        if not isinstance(error, Unavailable):
            self.latest.append(time.monotonic())

    @property
    def fails_again_and_again(self) -> bool:
        since = time.monotonic() - LATELY
        return len(self.latest) == TOO_MANY and self.latest[0] > since


class Background:
    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._named: dict[str, asyncio.Task[None]] = {}
        self._leaving = False
        self.loops: dict[str, Loop] = {}  # by name

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaving = True
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, traceback)

    def spawn(
        self, work: Coroutine[Any, Any, object], *, name: str, context: Context | None = None
    ) -> asyncio.Task[None]:
        """Runs it once, with the log's context variables of `context`, or else of the caller. Its
        failure is logged here, and nowhere raised."""
        task = self._group.create_task(_logged(work, name), name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
        if self._leaving:
            task.cancel()
        return task

    def once(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, object]],
        context: Context | None = None,
    ) -> bool:
        """Runs it; False where a task of that name is under way."""
        if name in self._named:
            return False
        task = self._named[name] = self.spawn(work(), name=name, context=context)
        task.add_done_callback(lambda _: self._named.pop(name))
        return True

    def loop(self, work: Callable[[], Awaitable[object]], *, name: str) -> asyncio.Task[None]:
        """Runs it for ever, again after each failure."""
        known = self.loops.setdefault(name, Loop())
        return self.spawn(_for_ever(work, name, known), name=name)

    def trouble(self) -> DistrosError | None:
        """Of the loops that fail again and again, the first; its error is for the log alone."""
        for name, loop in self.loops.items():
            if loop.fails_again_and_again:
                return Unavailable(f"The loop “{name}” fails again and again; the log says why.")
        return None


async def _logged(work: Coroutine[Any, Any, object], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception("task failed", task=name)


async def _for_ever(work: Callable[[], Awaitable[object]], name: str, known: Loop) -> None:
    while True:
        try:
            await work()
        except Exception as error:
            known.failed(error)
            log.error(
                "loop failed",
                loop=name,
                error=str(error),
                again_in=RESTART_DELAY,
                exc_info=traceback_of(error),
            )
        await asyncio.sleep(RESTART_DELAY)
