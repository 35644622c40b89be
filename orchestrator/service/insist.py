"""What must happen is tried until it has: engine and store come back some time.

The pause between two tries grows from 0.2 s to half a minute, and every failure is logged, with its
traceback where it is none of the domain's. A
mistake of ours is tried again too: giving up would leave a container or a visitor behind.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from ..domain.errors import DistrosError

T = TypeVar("T")
log = structlog.get_logger(__name__)

PAUSE = wait_exponential(multiplier=0.2, max=30)  # seconds


async def insist(
    what: str,
    work: Callable[[], Awaitable[T]],
    *,
    on: type[Exception] = Exception,
    level: int = logging.ERROR,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """`work()`, again after each failure of the kind `on`; `what` and `level` are for the log.
    `sleep` may cut a pause short."""

    def complain(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.log(
            level,
            f"{what} failed",
            attempt=state.attempt_number,
            again_in=state.upcoming_sleep,
            error=str(error),
            exc_info=traceback_of(error),
        )

    async def attempt() -> T:  # tenacity awaits what it knows to be a coroutine function
        return await work()

    return await AsyncRetrying(
        retry=retry_if_exception_type(on), wait=PAUSE, before_sleep=complain, sleep=sleep
    )(attempt)


def traceback_of(error: BaseException | None) -> BaseException | None:
    """For the log's `exc_info`: what the domain foresees needs none."""
    return None if isinstance(error, DistrosError) else error
