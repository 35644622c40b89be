"""What must happen is tried until it has: engine and store come back some time.

The pause between two tries grows from 0.2 s to half a minute, and every failure is logged. A
mistake of ours is tried again too: giving up would leave a container or a visitor behind.
"""

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
) -> T:
    """`work()`, again after each failure of the kind `on`; `what` is for the log."""

    def complain(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.error(
            f"{what} failed",
            attempt=state.attempt_number,
            again_in=state.upcoming_sleep,
            error=str(error),
            exc_info=None if isinstance(error, DistrosError) else error,
        )

    async def attempt() -> T:  # tenacity awaits what it knows to be a coroutine function
        return await work()

    return await AsyncRetrying(
        retry=retry_if_exception_type(on), wait=PAUSE, before_sleep=complain
    )(attempt)
