"""From admitted to ready: image, container, booting, checking, ready.

Starting is idempotent by the container's name, so a launch that an earlier process left half-way
is simply brought up again. Whatever else ends the instance meanwhile (its visitor, the reaper, an
exit of the container) changes the row, and the launch stops where it is.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import DistrosError, StoreUnavailable
from ..domain.models import PENDING, Instance, Reason, Stage, State
from ..domain.naming import hostname
from ..engine.base import Engine, StartSpec
from .endings import Endings
from .insist import insist
from .ledger import Ledger, is_settled
from .readiness import NotReadyInTime, Probe, until_ready

log = structlog.get_logger(__name__)

PULL_NEWS = 0.5  # seconds between two reports of a pull's progress


class Superseded(Exception):
    """Something else has ended the instance while it was being launched."""


class Starter:
    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        ledger: Ledger,
        probe: Probe,
        endings: Endings,
        *,
        concurrency: int,
        instance_domain: str,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._ledger = ledger
        self._probe = probe
        self._endings = endings
        self._places = asyncio.Semaphore(concurrency)  # first come, first served
        self._instance_domain = instance_domain

    async def bring_up(self, instance: Instance) -> None:
        """Ends with the instance ready, failed, or ended by somebody else.

        While the store is away it is tried again from the start.
        """
        structlog.contextvars.bind_contextvars(instance=instance.id)
        await insist("launch", lambda: self._bring_up(instance), on=StoreUnavailable)

    async def _bring_up(self, instance: Instance) -> None:
        progress = _Progress(self._ledger, instance)
        try:
            distribution = self._catalog.get(instance.distribution)
            async with self._places:
                await self._unless_ended(instance, self._fetch_image(distribution, progress))
                await self._start_container(instance, distribution, progress)
            await progress.enter(Stage.BOOTING)
            ready = self._wait_until_ready(instance, distribution, progress)
            await self._unless_ended(instance, ready)
            now = self._ledger.now()
            await progress.enter(Stage.READY, ready_at=now, expires_at=now + instance.lifetime)
            log.info("ready", distribution=instance.distribution, **progress.timings)
        except Superseded:
            log.info("launch superseded")
        except NotReadyInTime as reason:
            seconds = distribution.readiness.deadline.total_seconds()
            detail = f"Not ready within {seconds:g} s. {reason}"
            await self._endings.end(instance.id, Reason.NOT_READY_IN_TIME, detail)
        except StoreUnavailable:
            raise
        except DistrosError as error:
            log.error("start failed", code=error.code, error=error.message)
            await self._endings.end(instance.id, Reason.START_FAILED, error.message)
        except Exception:  # a launch that was accepted must never hang
            log.exception("start failed")
            detail = "An internal error; the administrator finds it in the log."
            await self._endings.end(instance.id, Reason.START_FAILED, detail)

    async def _fetch_image(self, distribution: Distribution, progress: "_Progress") -> None:
        ref = distribution.image.ref
        if distribution.image.build or await self._engine.has_image(ref):
            progress.pass_by(Stage.IMAGE)
            return
        await progress.enter(Stage.IMAGE)
        told = 0.0
        async with aclosing(self._engine.pull(ref)) as lines:
            async for line in lines:
                if time.monotonic() - told >= PULL_NEWS:
                    told = time.monotonic()
                    await progress.enter(Stage.IMAGE, detail=line.sentence)

    async def _start_container(
        self, instance: Instance, distribution: Distribution, progress: "_Progress"
    ) -> None:
        environment = dict(distribution.environment)
        if distribution.login and distribution.login.password_env and instance.password:
            environment[distribution.login.password_env] = instance.password
        spec = StartSpec(
            instance_id=instance.id,
            distribution=distribution,
            address=instance.address,
            created_at=instance.created_at,
            expires_at=instance.expires_at,
            environment=environment,
        )
        async with self._ledger.lock(instance.id):
            await progress.enter(Stage.CONTAINER)  # not where it has been ended: then there is none
            await self._engine.start(spec)

    async def _wait_until_ready(
        self, instance: Instance, distribution: Distribution, progress: "_Progress"
    ) -> None:
        async def checking() -> None:
            await progress.enter(Stage.CHECKING)

        await until_ready(
            self._probe,
            instance_id=instance.id,
            host=hostname(instance.id, instance.name, self._instance_domain),
            wanted=distribution.readiness,
            checking=checking,
        )

    async def _unless_ended(self, instance: Instance, work: Coroutine[Any, Any, None]) -> None:
        """Raises Superseded as soon as the launch is no longer under way; the work is dropped."""
        working = asyncio.create_task(work)
        ended = asyncio.create_task(self._ledger.until(instance.id, is_settled))
        try:
            await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
                raise Superseded
            await working
        finally:
            for task in (working, ended):
                task.cancel()
            await asyncio.gather(working, ended, return_exceptions=True)


class _Progress:
    """Writes each stage as it is entered, and how long the ones before took (seconds)."""

    def __init__(self, ledger: Ledger, instance: Instance) -> None:
        self.timings: dict[str, float] = {}
        self._ledger = ledger
        self._id = instance.id
        self._stage = Stage.QUEUED
        self._since = time.monotonic()

    def pass_by(self, stage: Stage) -> None:
        """Counts the time, and writes nothing: for a stage that takes none as a rule."""
        now = time.monotonic()
        spent = self.timings.get(self._stage, 0.0) + now - self._since
        self.timings[self._stage] = round(spent, 4)
        self._stage, self._since = stage, now

    async def enter(self, stage: Stage, **changes: object) -> None:
        """Raises Superseded where the launch is no longer under way."""
        self.pass_by(stage)
        changed = await self._ledger.change(
            self._id,
            only_in=PENDING,
            state=State.READY if stage is Stage.READY else State.STARTING,
            stage=stage,
            timings=dict(self.timings),
            **{"detail": None, **changes},  # type: ignore[arg-type]  # columns, none is due_by
        )
        if changed is None:
            raise Superseded
