"""A launch is asked for: checked, admitted, handed to the starter.

The row is committed before the engine is touched, so that after a crash the reaper's first list
finds every launch that was accepted, and has it begun again.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import (
    CapacityReached,
    IdempotencyConflict,
    ImageMissing,
    InvalidLifetime,
    UnknownDistribution,
)
from ..domain.models import UNASSIGNED, Caller, Instance, State
from ..domain.naming import new_instance_id, site_name
from ..engine.base import Engine
from .background import Background
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
        health: Health,
        background: Background,
        policy: LaunchPolicy,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._ledger = ledger
        self._starter = starter
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
        store = self._ledger.store
        if request_key and (earlier := await store.by_request_key(caller.visitor, request_key)):
            return _the_same(earlier, slug, name, lifetime)
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
        admitted = await store.admit(
            requested, capacity=self._policy.capacity, request_key=request_key
        )
        if admitted is None:
            raise CapacityReached(self._policy.capacity, await self._soonest_place())
        if admitted.id != requested.id:  # the same request came twice at once
            return _the_same(admitted, slug, name, lifetime)
        log.info("launch", instance=admitted.id, distribution=slug, name=name)
        self._ledger.publish(admitted)
        self.begin(admitted)
        return admitted

    def begin(self, instance: Instance) -> None:
        """Brings up an instance that is admitted, unless that is under way."""
        self._background.once(f"launch {instance.id}", lambda: self._starter.bring_up(instance))

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


def _the_same(earlier: Instance, slug: str, name: str | None, lifetime: timedelta) -> Instance:
    if (earlier.distribution, earlier.name, earlier.lifetime) != (slug, name, lifetime):
        raise IdempotencyConflict("This Idempotency-Key was used for another launch.")
    return earlier


def _password(distribution: Distribution) -> str | None:
    login = distribution.login
    return secrets.token_urlsafe(9) if login and login.password_env else None
