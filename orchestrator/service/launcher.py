"""A launch is asked for: checked, admitted, handed to the starter.

The row is committed before the engine is touched, so that after a crash `resume` finds every
launch that was accepted and goes on with it.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import (
    CapacityReached,
    DistrosError,
    IdempotencyConflict,
    ImageMissing,
    InvalidLifetime,
    UnknownDistribution,
)
from ..domain.models import PENDING, UNASSIGNED, Caller, Instance, State
from ..domain.naming import new_instance_id, site_name
from ..engine.base import Engine
from .background import Background
from .endings import Endings
from .health import Health
from .ledger import Ledger
from .starter import Starter

log = structlog.get_logger(__name__)

SHORTEST_LIFETIME = timedelta(seconds=60)
SHORTEST_LIFETIME_FOR_ADMINS = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class LaunchPolicy:
    capacity: int  # instances at once
    max_lifetime: timedelta


class Launcher:
    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        ledger: Ledger,
        starter: Starter,
        endings: Endings,
        health: Health,
        background: Background,
        policy: LaunchPolicy,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._ledger = ledger
        self._starter = starter
        self._endings = endings
        self._health = health
        self._background = background
        self._policy = policy

    async def launch(
        self,
        caller: Caller,
        slug: str,
        *,
        name: str | None = None,
        lifetime: timedelta | None = None,
        request_key: str | None = None,
    ) -> Instance:
        """Admits a launch and returns at once; `Ledger.until` waits for what becomes of it.

        Raises UnknownDistribution, InvalidName, InvalidLifetime, and where the engine, the proxy,
        the image or a place is missing, Unavailable of some kind. The engine is touched only once
        the row is committed.
        """
        distribution = self._catalog.get(slug)
        if not (distribution.listed or caller.admin):
            raise UnknownDistribution(slug)
        name = site_name(name)
        lifetime = self._lifetime(lifetime, distribution, caller)
        await self._health.require()
        if distribution.image.build and not await self._engine.has_image(distribution.image.ref):
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
            password=_password(distribution),
        )
        store = self._ledger.store
        admitted = await store.admit(
            requested, capacity=self._policy.capacity, request_key=request_key
        )
        if admitted is None:
            raise CapacityReached(self._policy.capacity, await self._soonest_place())
        if (admitted.distribution, admitted.name) != (slug, name):
            raise IdempotencyConflict("This Idempotency-Key was used for another launch.")
        if admitted.id == requested.id:
            log.info("launch", instance=admitted.id, distribution=slug, name=name)
            self._ledger.publish(admitted)
            self._begin(admitted)
        return admitted

    async def resume(self) -> None:
        """Goes on with what an earlier process accepted or was about to remove."""
        try:
            await self._engine.prepare()
        except DistrosError as error:
            log.error("the engine is away", error=error.message)
        for instance in await self._ledger.store.list(states=PENDING):
            log.info("resuming launch", instance=instance.id)
            self._begin(instance)
        for instance in await self._ledger.store.list(states={State.STOPPING}):
            self._endings.finish(instance)

    def _begin(self, instance: Instance) -> None:
        self._background.spawn(self._starter.bring_up(instance), name=f"launch {instance.id}")

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

    async def _soonest_place(self) -> int:
        """Seconds until the next lease ends: when it is worth trying again."""
        soonest = await self._ledger.store.next_expiry()
        if soonest is None:
            return 1
        return max(1, round((soonest - self._ledger.now()).total_seconds()))


def _password(distribution: Distribution) -> str | None:
    login = distribution.login
    return secrets.token_urlsafe(9) if login and login.password_env else None
