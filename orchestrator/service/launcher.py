"""A launch is asked for: checked, admitted, and served from the pool or handed to the queue.

The row is committed before the engine is touched, so that after a crash the next process finds
every launch that was accepted, and goes on with it.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from weakref import WeakValueDictionary

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import (
    IdempotencyConflict,
    InsufficientScope,
    InvalidLifetime,
    UnknownDistribution,
)
from ..domain.models import UNASSIGNED, Caller, Instance, State
from ..domain.naming import new_instance_id, site_name
from ..domain.outages import CapacityReached, EngineUnavailable, ImageMissing
from ..domain.safeguards import Scope
from ..failpoints import failpoint
from .captcha import CaptchaVerifier
from .deadlines import Deadlines
from .health import Health
from .images import Images
from .ledger import Ledger
from .limits import Limits
from .pace import Pace
from .passwords import new_password
from .pool import Pool
from .pressure import Pressure

log = structlog.get_logger(__name__)

SHORTEST_LIFETIME = timedelta(seconds=60)
SHORTEST_LIFETIME_FOR_ADMINS = timedelta(seconds=10)
LOOK_DEADLINE = 0.9  # seconds: every request is answered within one


@dataclass(frozen=True, slots=True)
class LaunchPolicy:
    capacity: int  # instances at once
    queue_limit: int  # launches that may wait beyond that
    max_lifetime: timedelta


class Launcher:
    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        pool: Pool,
        images: Images,
        health: Health,
        deadlines: Deadlines,
        pace: Pace,
        captcha: CaptchaVerifier,
        limits: Limits,
        pressure: Pressure,
        policy: LaunchPolicy,
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._pool = pool
        self._images = images
        self._health = health
        self._deadlines = deadlines
        self._pace = pace
        self._captcha = captcha
        self._limits = limits
        self._pressure = pressure
        self._policy = policy
        self._requests: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def launch(
        self,
        caller: Caller,
        slug: str,
        *,
        name: str | None = None,
        lifetime: timedelta | None = None,
        request_key: str | None = None,
        proof: str = "",
        cold: bool = False,
    ) -> Instance:
        """Admits a launch and returns at once: ready where the pool had one, else queued;
        `Ledger.until` waits for what becomes of it. A `cold` one never comes from the pool, and is
        no demand that the pool should meet.

        `proof` is the captcha's, for visitors. Raises UnknownDistribution, InvalidName,
        InvalidLifetime, what the captcha and `limits.refusal` say, and where the engine, the proxy,
        the image or a place in the queue is missing, Unavailable of some kind. The engine is
        touched only once the row is committed.

        The same request, sent again before the first is answered, waits and gets its answer.
        """
        work = partial(self._launch, caller, slug, name, lifetime, request_key, proof, cold)
        if request_key is None:
            return await work()
        key = (caller.visitor, request_key)
        async with self._requests.setdefault(key, asyncio.Lock()):
            return await work()

    async def _launch(
        self,
        caller: Caller,
        slug: str,
        name: str | None,
        lifetime: timedelta | None,
        request_key: str | None,
        proof: str,
        cold: bool,
    ) -> Instance:
        if caller.scope is Scope.READ:
            raise InsufficientScope
        distribution = self._catalog.get(slug)
        if not (distribution.listed or caller.admin):
            raise UnknownDistribution(slug)
        name = site_name(name)
        lifetime = self._lifetime(lifetime, distribution, caller)
        store = self._ledger.store
        if request_key and (earlier := await store.by_request_key(caller.visitor, request_key)):
            return _the_same(earlier, slug, name, lifetime)
        if caller.scope is None and not caller.admin:
            await self._captcha.verify(proof, caller)
        quota = self._limits.quota(caller, slug, self._ledger.now())
        if not cold:
            claimed = await self._pool.claim(
                caller,
                distribution,
                name=name,
                lifetime=lifetime,
                request_key=request_key,
                quota=quota,
            )
            if claimed is not None:
                self._pace.arrived(slug)
                return _the_same(claimed, slug, name, lifetime)
        await self._pressure.require()
        await self._health.require()
        launchable = self._images.launchable(distribution)
        if not launchable and not await self._has_come(distribution):
            raise ImageMissing(slug)
        now = self._ledger.now()
        requested = Instance(
            id=new_instance_id(),
            distribution=slug,
            owner=caller.visitor,
            state=State.QUEUED,
            created_at=now,
            expires_at=now + distribution.readiness.deadline + lifetime,
            lifetime=lifetime,
            address=UNASSIGNED,
            name=name,
            password=new_password(distribution),
        )
        room = self._policy.capacity + self._policy.queue_limit
        failpoint("launch.admitting")
        admitted = await store.admit(requested, room=room, request_key=request_key, quota=quota)
        if admitted is None:
            raise self._full()
        if admitted.id == requested.id:  # else the same request came twice at once
            failpoint("launch.admitted")
            if not cold:
                self._pace.arrived(slug)
            log.info("launch", instance=admitted.id, distribution=slug, name=name)
            self._ledger.publish(admitted)  # the queue hears of it
        return _the_same(admitted, slug, name, lifetime)

    async def _has_come(self, distribution: Distribution) -> bool:
        """Whether an image that was missing is here now. Raises EngineUnavailable."""
        try:
            async with asyncio.timeout(LOOK_DEADLINE):
                return await self._images.look_at(distribution)
        except TimeoutError as error:
            raise EngineUnavailable("The Docker Engine does not answer in time.") from error

    def _lifetime(
        self, asked: timedelta | None, distribution: Distribution, caller: Caller
    ) -> timedelta:
        if asked is None:
            return distribution.lifetime
        shortest = SHORTEST_LIFETIME_FOR_ADMINS if caller.admin else SHORTEST_LIFETIME
        longest = self._policy.max_lifetime if caller.admin else distribution.lifetime
        if not shortest <= asked <= longest:
            raise InvalidLifetime(
                asked.total_seconds(), int(shortest.total_seconds()), int(longest.total_seconds())
            )
        return asked

    def _full(self) -> CapacityReached:
        """With the seconds until the next lease ends: when it is worth trying again."""
        soonest = self._deadlines.next()
        seconds = (soonest[0] - self._ledger.now()).total_seconds() if soonest else 1.0
        return CapacityReached(
            self._policy.capacity, self._policy.queue_limit, max(1, round(seconds))
        )


def _the_same(earlier: Instance, slug: str, name: str | None, lifetime: timedelta) -> Instance:
    if (earlier.distribution, earlier.name, earlier.lifetime) != (slug, name, lifetime):
        raise IdempotencyConflict("This Idempotency-Key was used for another launch.")
    return earlier
