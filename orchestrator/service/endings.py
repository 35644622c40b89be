"""How every instance ends, whoever decided it.

1. The row goes to `stopping` with its reason: one conditional write, so one ending wins.
2. The last log lines are kept.
3. The engine removes the container and its volumes, and confirms it. What cannot be removed is
   tried again for ever, with a growing pause: until then the instance holds its place and the
   log says so each time.
4. The row goes to `gone`, or to `failed`.
"""

import asyncio
from collections.abc import Callable

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from ..domain.errors import DistrosError
from ..domain.models import ALIVE, Instance, Reason, State, final_state
from ..engine.base import Engine
from .background import Background
from .ledger import Ledger

log = structlog.get_logger(__name__)

RETRY_PAUSE = wait_exponential(multiplier=0.2, max=30)  # seconds


class Endings:
    def __init__(self, engine: Engine, ledger: Ledger, background: Background) -> None:
        self._engine = engine
        self._ledger = ledger
        self._background = background

    async def end(
        self, instance_id: str, reason: Reason, detail: str | None = None
    ) -> Instance | None:
        """Decides the ending; the removal goes on in the background.

        None where the instance had ended, or was ending, already.
        """
        instance = await self._ledger.change(
            instance_id, only_in=ALIVE, state=State.STOPPING, reason=reason, detail=detail
        )
        if instance is not None:
            log.info("ending", instance=instance_id, reason=reason, detail=detail)
            self.finish(instance)
        return instance

    def finish(self, instance: Instance) -> asyncio.Task[None]:
        """Removes what is left of an instance that is `stopping`."""
        return self._background.spawn(self._finish(instance), name=f"end {instance.id}")

    def discard(self, instance_id: str) -> None:
        """Removes a container whose row has ended already."""
        log.warning("leftover container", instance=instance_id)
        self._background.spawn(self._remove(instance_id), name=f"discard {instance_id}")

    async def _finish(self, instance: Instance) -> None:
        async with self._ledger.lock(instance.id):
            await self._keep_log(instance.id)
            await self._remove(instance.id)
        reason = instance.reason or Reason.REMOVED_OUTSIDE
        state = final_state(reason, instance.ready_at)
        ended_at = self._ledger.now()
        await self._ledger.change(
            instance.id, only_in={State.STOPPING}, state=state, ended_at=ended_at
        )
        late = (ended_at - instance.expires_at).total_seconds()
        log.info("ended", instance=instance.id, state=state, reason=reason, after_expiry=late)

    async def _keep_log(self, instance_id: str) -> None:
        try:
            if text := await self._engine.logs(instance_id):
                await self._ledger.store.save_log(instance_id, text)
        except DistrosError as error:
            log.warning("log not kept", instance=instance_id, error=error.message)

    async def _remove(self, instance_id: str) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(DistrosError),
            wait=RETRY_PAUSE,
            before_sleep=_complain(instance_id),
        ):
            with attempt:
                await self._engine.remove(instance_id)


def _complain(instance_id: str) -> Callable[[RetryCallState], None]:
    def complain(state: RetryCallState) -> None:
        log.error(
            "removal failed; the instance keeps its place",
            instance=instance_id,
            attempt=state.attempt_number,
            error=str(state.outcome.exception()) if state.outcome else None,
            again_in=state.upcoming_sleep,
        )

    return complain
