"""How every instance ends, whoever decided it.

1. The row goes to `stopping` with its reason: one conditional write, so one ending wins. (What
   queues has nothing to remove, and is `gone` at once.)
2. The last log lines are kept, where they can be had.
3. The engine removes the container and its volumes, and confirms it. A first attempt that fails or
   takes longer than `PATIENCE` gives its lane to the next: one that hangs must not make others
   late. What cannot be removed is tried again for ever, in slow lanes; until then it holds its
   place, stands in `stuck`, and the reconciler raises an alarm.
4. The row goes to `gone`, or to `failed`.

A busy machine must not let leases outlive their ends: while an ending has waited `BEHIND` for its
first attempt (`behind`), the queue starts nobody.
"""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import datetime

import structlog

from ..domain.models import LEASED, Instance, Reason, State, final_state
from ..engine.base import Engine
from ..failpoints import failpoint
from .background import Background
from .comparison import Stuck
from .insist import insist, traceback_of
from .ledger import Ledger

log = structlog.get_logger(__name__)

REMOVALS_AT_ONCE = 4  # more take longer in all, on two cores (docs/performance.md)
PATIENCE = 1.0  # seconds; a removal takes 0.1 to 0.3
BEHIND = 0.5  # seconds
SLOW_REMOVALS_AT_ONCE = 16  # engine/docker.py has threads for these and the first attempts
LOG_DEADLINE = 1.0  # seconds: a log must not hold up a removal


class Endings:
    def __init__(self, engine: Engine, ledger: Ledger, background: Background) -> None:
        self._engine = engine
        self._ledger = ledger
        self._background = background
        self.stuck: dict[str, Stuck] = {}  # by instance id
        self._in_line: dict[str, float] = {}  # id → since when (monotonic) it has had no attempt
        self._lanes = asyncio.Semaphore(REMOVALS_AT_ONCE)
        self._slow_lanes = asyncio.Semaphore(SLOW_REMOVALS_AT_ONCE)
        self._hurried = asyncio.Event()

    @property
    def behind(self) -> bool:
        oldest = next(iter(self._in_line.values()), None)
        return oldest is not None and time.monotonic() - oldest > BEHIND

    async def end(
        self, instance_id: str, reason: Reason, detail: str | None = None
    ) -> Instance | None:
        """Decides the ending; the removal goes on in the background.

        None where the instance had ended, or was ending, already.
        """
        return await self._cancel(instance_id, reason, detail) or await self._end(
            instance_id, reason, detail
        )

    async def retire(self, instance_id: str, why: str) -> Instance | None:
        """Ends an instance of the pool; None where it has been claimed, or has ended, meanwhile."""
        return await self._end(instance_id, Reason.DELETED, why, pooled=True)

    async def expire(self, instance_id: str, now: datetime) -> Instance | None:
        """Ends a lease that is over at `now`; None where it has been renewed meanwhile."""
        return await self._end(instance_id, Reason.EXPIRED, due_by=now)

    async def _cancel(
        self, instance_id: str, reason: Reason, detail: str | None
    ) -> Instance | None:
        """What queues has no container: it is over at once."""
        known = self._ledger.live.get(instance_id)
        if known is None or known.state is not State.QUEUED:
            return None
        cancelled = await self._ledger.change(
            instance_id,
            only_in={State.QUEUED},
            state=final_state(reason, None),
            reason=reason,
            detail=detail,
            ended_at=self._ledger.now(),
        )
        if cancelled is not None:
            failpoint("cancel.written")
            log.info("cancelled", instance=instance_id, reason=reason, detail=detail)
        return cancelled

    async def _end(
        self,
        instance_id: str,
        reason: Reason,
        detail: str | None = None,
        due_by: datetime | None = None,
        pooled: bool | None = None,
    ) -> Instance | None:
        instance = await self._ledger.change(
            instance_id,
            only_in=LEASED,
            due_by=due_by,
            pooled=pooled,
            state=State.STOPPING,
            reason=reason,
            detail=detail,
        )
        if instance is not None:
            failpoint("end.decided")
            log.info("ending", instance=instance_id, reason=reason, detail=detail)
            self.finish(instance)
        return instance

    def finish(self, instance: Instance) -> None:
        """Removes what is left of an instance that is `stopping`."""
        self._background.once(f"end {instance.id}", lambda: self._finish(instance))

    async def pause(self, seconds: float) -> None:
        """Between two tries; shorter where the engine comes back meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()

    def hurry(self) -> None:
        """Whoever pauses tries again now: the engine may just have come back."""
        self._hurried.set()
        self._hurried.clear()

    def discard(self, instance_id: str) -> None:
        """Removes a container whose row has ended already."""
        log.warning("leftover container", instance=instance_id)
        self._background.once(f"discard {instance_id}", lambda: self._discard(instance_id))

    async def _discard(self, instance_id: str) -> None:
        failpoint("discard.removing")
        await self._remove(instance_id)
        failpoint("discard.removed")

    async def _finish(self, instance: Instance) -> None:
        structlog.contextvars.bind_contextvars(instance=instance.id)
        async with self._ledger.lock(instance.id):
            self._in_line[instance.id] = time.monotonic()
            try:
                if not instance.pooled:
                    await self._keep_log(instance.id)
                failpoint("end.log_kept")
                await self._remove(instance.id)
            finally:
                self._in_line.pop(instance.id, None)
            failpoint("end.removed")
        reason = instance.reason or Reason.REMOVED_OUTSIDE
        state = final_state(reason, instance.ready_at)
        ended_at = self._ledger.now()
        await insist(
            "noting the end",
            lambda: self._ledger.change(
                instance.id, only_in={State.STOPPING}, state=state, ended_at=ended_at
            ),
        )
        failpoint("end.noted")
        late = (ended_at - instance.expires_at).total_seconds()
        log.info("ended", state=state, reason=reason, after_expiry=late)

    async def _keep_log(self, instance_id: str) -> None:
        try:
            async with asyncio.timeout(LOG_DEADLINE):
                if text := await self._engine.logs(instance_id):
                    await self._ledger.store.save_log(instance_id, text)
        except TimeoutError:
            log.warning("log not kept", error=f"no answer within {LOG_DEADLINE:g} s")
        except Exception as error:  # whatever it was, the removal comes first
            log.warning("log not kept", error=str(error), exc_info=traceback_of(error))

    async def _remove(self, instance_id: str) -> None:
        try:
            if not await self._remove_at_once(instance_id):
                await insist(
                    "removal",
                    lambda: self._remove_again(instance_id),
                    level=logging.INFO,
                    sleep=self.pause,
                )
        finally:
            self.stuck.pop(instance_id, None)

    async def _remove_at_once(self, instance_id: str) -> bool:
        """False where it has failed."""
        async with self._lanes:
            self._in_line.pop(instance_id, None)
            attempt = asyncio.create_task(self._engine.remove(instance_id))
            try:
                await asyncio.wait({attempt}, timeout=PATIENCE)
            except asyncio.CancelledError:
                attempt.cancel()
                raise
        if not attempt.done():
            self._is_stuck(instance_id, f"No answer within {PATIENCE:g} s.")
        try:
            await attempt
        except Exception as error:
            self._is_stuck(instance_id, str(error))
            log.info("removal failed", error=str(error), exc_info=traceback_of(error))
            return False
        return True

    async def _remove_again(self, instance_id: str) -> None:
        async with self._slow_lanes:
            try:
                await self._engine.remove(instance_id)
            except Exception as error:
                self._is_stuck(instance_id, str(error))
                raise

    def _is_stuck(self, instance_id: str, error: str) -> None:
        known = self.stuck.get(instance_id)
        self.stuck[instance_id] = Stuck(known.since if known else self._ledger.now(), error)
