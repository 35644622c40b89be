"""From admitted to ready: image, container, booting, checking, ready.

Starting is idempotent by the container's name, so a launch that an earlier process left half-way
is simply brought up again. Where somebody else's container holds its address it takes the next one,
`ADDRESS_TRIES` times in all. Whatever else ends the instance meanwhile (its visitor, the reaper, an
exit of the container) changes the row, and the launch stops where it is.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.engine_errors import AddressInUse
from ..domain.errors import DistrosError
from ..domain.models import Instance, Reason, Stage, State
from ..domain.naming import hostname
from ..domain.outages import EngineUnavailable, ImageMissing, ProxyUnavailable, Unavailable
from ..engine.base import Engine, StartSpec
from ..failpoints import failpoint
from .endings import Endings
from .health import Health
from .insist import insist
from .ledger import Ledger, is_settled
from .pace import Pace
from .readiness import NotReadyInTime, Probe, until_ready
from .route_care import RouteCare

log = structlog.get_logger(__name__)

ADDRESS_TRIES = 5
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
        pace: Pace,
        health: Health,
        route_care: RouteCare,
        *,
        turns: int,
        instance_domain: str,
        max_lifetime: timedelta,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._ledger = ledger
        self._probe = probe
        self._endings = endings
        self._pace = pace
        self._health = health
        self._route_care = route_care
        self._starts = asyncio.Semaphore(turns)
        self._instance_domain = instance_domain
        self._max_lifetime = max_lifetime

    async def bring_up(
        self, instance: Instance, started: Callable[[], None], *, resumed: bool = False
    ) -> None:
        """Ends with the instance ready, failed, or ended by somebody else; calls `started` once
        it keeps nobody waiting any longer: its container runs, or its image is being fetched.

        While the store, the engine or the proxy is away it is tried again from the start, and its
        lease does not run.
        """
        structlog.contextvars.bind_contextvars(instance=instance.id)
        attempts = itertools.count(int(resumed))

        async def attempt() -> None:
            await self._bring_up(instance, started, first=next(attempts) == 0)

        await insist("launch", attempt, on=Unavailable, sleep=self._endings.pause)

    async def _bring_up(
        self, instance: Instance, started: Callable[[], None], *, first: bool
    ) -> None:
        progress = _Progress(self._ledger, instance)
        try:
            distribution = self._catalog.get(instance.distribution)
            if not first:
                await self._prolong(instance, distribution)
            if not distribution.image.build:
                fetch = self._fetch_image(distribution, progress, started)
                await self._unless_ended(instance, fetch)
            await self._start_container(instance, distribution, progress)
            started()
            await progress.enter(Stage.BOOTING)
            failpoint("launch.booting")
            asked_at = time.monotonic()
            answers = self._wait_until_ready(instance, distribution, progress)
            await self._unless_ended(instance, answers)
            failpoint("launch.answered")
            ready = await progress.finish()
            failpoint("launch.ready")
            if first:  # what was begun before says nothing of how long it takes
                self._pace.started(ready)
            log.info("ready", distribution=instance.distribution, **progress.timings)
        except Superseded:
            log.info("launch superseded")
        except NotReadyInTime as reason:
            await self._require_proxy_since(asked_at)
            seconds = distribution.readiness.deadline.total_seconds()
            detail = f"Not ready within {seconds:g} s. {reason}"
            await self._endings.end(instance.id, Reason.NOT_READY_IN_TIME, detail)
        except ImageMissing as error:  # it does not come back by itself
            await self._endings.end(instance.id, Reason.START_FAILED, error.message)
        except EngineUnavailable:
            self._health.engine_is_away()  # so that nobody else tries in vain
            raise
        except Unavailable:
            raise
        except DistrosError as error:
            log.error("start failed", code=error.code, error=error.message)
            await self._endings.end(instance.id, Reason.START_FAILED, error.message)
        except Exception:  # a launch that was accepted must never hang
            log.exception("start failed")
            detail = "An internal error; the administrator finds it in the log."
            await self._endings.end(instance.id, Reason.START_FAILED, detail)

    async def _prolong(self, instance: Instance, distribution: Distribution) -> None:
        """A visitor's lease begins anew; what is the pool's may end."""
        lease = distribution.readiness.deadline + instance.lifetime
        await self._ledger.change(
            instance.id,
            only_in={State.STARTING},
            pooled=False,
            expires_at=self._ledger.now() + lease,
        )

    async def _require_proxy_since(self, asked_at: float) -> None:
        """Raises ProxyUnavailable: a site that could not be asked for some of the time has not had
        its time."""
        if not await self._health.proxy_was_there(asked_at):
            raise ProxyUnavailable("The proxy was away while the site was to become ready.")

    async def _fetch_image(
        self, distribution: Distribution, progress: "_Progress", started: Callable[[], None]
    ) -> None:
        ref = distribution.image.ref
        if await self._engine.image_id(ref) is not None:
            return
        started()
        await progress.enter(Stage.IMAGE)
        told = 0.0
        async with aclosing(self._engine.pull(ref)) as lines:
            async for line in lines:
                if time.monotonic() - told >= PULL_NEWS:
                    told = time.monotonic()
                    await progress.enter(Stage.IMAGE, detail=line.sentence)
        failpoint("launch.fetched")

    async def _start_container(
        self, instance: Instance, distribution: Distribution, progress: "_Progress"
    ) -> None:
        environment = dict(distribution.environment)
        if distribution.login and distribution.login.password_env and instance.password:
            environment[distribution.login.password_env] = instance.password
        # Nobody may keep a pooled one for longer, whoever gets it and however often it is renewed.
        longest = self._max_lifetime if instance.pooled else timedelta()
        known = self._ledger.live.get(instance.id, instance)  # a try before may have moved it
        spec = StartSpec(
            instance_id=instance.id,
            distribution=distribution,
            address=known.address,
            created_at=instance.created_at,
            expires_at=known.expires_at + longest,
            environment=environment,
            pooled=instance.pooled,
        )
        async with self._starts, self._ledger.lock(instance.id):
            await progress.enter(Stage.CONTAINER)  # not where it has been ended: then there is none
            failpoint("launch.starting")
            await self._start_at_a_free_address(spec)
            failpoint("launch.started")

    async def _start_at_a_free_address(self, spec: StartSpec) -> None:
        """Raises AddressInUse after so many tries."""
        for _ in range(ADDRESS_TRIES - 1):
            try:
                await self._engine.start(spec)
                return
            except AddressInUse:
                log.warning("address taken by somebody else", address=str(spec.address))
                moved = self._ledger.told(
                    await self._ledger.store.move(
                        spec.instance_id, egress=spec.distribution.reaches_out
                    )
                )
                if moved is None:
                    raise  # none is free, or the launch is over
                spec = replace(spec, address=moved.address)
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
            unrouted=lambda: self._route_care.look_soon(instance),
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
    """Writes each stage as it is entered, and how long the ones before took (seconds).

    A launch that has its place is in the stage `container` already.
    """

    def __init__(self, ledger: Ledger, instance: Instance) -> None:
        queued = (ledger.now() - instance.created_at).total_seconds()
        self.timings: dict[str, float] = {Stage.QUEUED: round(max(0.0, queued), 4)}
        self._ledger = ledger
        self._id = instance.id
        self._stage = Stage.CONTAINER
        self._since = time.monotonic()

    async def enter(self, stage: Stage, detail: str | None = None) -> None:
        """Raises Superseded where the launch is no longer under way."""
        if stage is self._stage and detail is None and self._under_way():
            return
        self._pass_to(stage)
        changed = await self._ledger.change(
            self._id,
            only_in={State.STARTING},
            stage=stage,
            detail=detail,
            timings=dict(self.timings),
        )
        if changed is None:
            raise Superseded

    async def finish(self) -> Instance:
        """It is ready. Raises Superseded where the launch is no longer under way."""
        self._pass_to(Stage.READY)
        ready = self._ledger.told(
            await self._ledger.store.make_ready(
                self._id, now=self._ledger.now(), timings=dict(self.timings)
            )
        )
        if ready is None:
            raise Superseded
        return ready

    def _under_way(self) -> bool:
        known = self._ledger.live.get(self._id)
        return known is not None and known.state is State.STARTING and known.stage is self._stage

    def _pass_to(self, stage: Stage) -> None:
        now = time.monotonic()
        spent = self.timings.get(self._stage, 0.0) + now - self._since
        self.timings[self._stage] = round(spent, 4)
        self._stage, self._since = stage, now
