"""One task group owns everything that runs beside the requests.

A task that fails is logged and does not take the others with it; a loop that fails is started
again after a second. Leaving the context cancels what is left and waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import Any, Self

import structlog

log = structlog.get_logger(__name__)

RESTART_DELAY = 1.0  # seconds before a failed loop is started again


class Background:
    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._named: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        return self.spawn(_for_ever(work, name), name=name)


async def _logged(work: Coroutine[Any, Any, object], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception("task failed", task=name)


async def _for_ever(work: Callable[[], Awaitable[object]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("loop failed", loop=name, again_in=RESTART_DELAY)
        await asyncio.sleep(RESTART_DELAY)
