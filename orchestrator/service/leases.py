"""What a caller may do with an instance that exists: see, renew, delete it, read its log.

Somebody else's instance is unknown to a caller, not forbidden.
"""

import asyncio
from datetime import datetime, timedelta

from ..domain.errors import InsufficientScope, NotRenewable, UnknownInstance
from ..domain.models import (
    LIVE,
    SYNTHETIC,
    Caller,
    Instance,
    Reason,
    State,
    renewable_until,
    renewed_until,
)
from ..domain.naming import is_instance_id
from ..domain.outages import EngineUnavailable
from ..domain.safeguards import BanKind, Scope
from ..engine.base import Engine
from ..failpoints import failpoint
from .endings import Endings
from .ledger import Ledger
from .safety import Safety

LOG_DEADLINE = 0.9  # seconds: every request is answered within one


class Leases:
    def __init__(
        self,
        ledger: Ledger,
        endings: Endings,
        engine: Engine,
        safety: Safety,
        *,
        max_lifetime: timedelta,
    ) -> None:
        self._ledger = ledger
        self._endings = endings
        self._engine = engine
        self._safety = safety
        self._max_lifetime = max_lifetime
        self._reading: dict[str, asyncio.Future[str]] = {}  # logs, by instance

    async def get(self, caller: Caller, instance_id: str) -> Instance:
        """Raises UnknownInstance."""
        if is_instance_id(instance_id):
            instance = await self._ledger.find(instance_id)
            if instance is not None and caller.may_see(instance):
                return instance
        raise UnknownInstance(instance_id)

    async def _changeable(self, caller: Caller, instance_id: str) -> Instance:
        instance = await self.get(caller, instance_id)
        if caller.scope is Scope.READ:
            raise InsufficientScope
        return instance

    def live(self, caller: Caller) -> list[Instance]:
        """One's own instances that have not ended; for who sees all, all that somebody has
        launched, but not what the service tries itself with."""
        if not caller.sees_all:
            return self._ledger.of(caller.visitor)
        live = self._ledger.live.values()
        return [each for each in live if not each.pooled and each.owner != SYNTHETIC]

    async def renew(self, caller: Caller, instance_id: str) -> Instance:
        """A whole lifetime again, within the maximum.

        Raises UnknownInstance, InsufficientScope, NotRenewable, RenewalBanned.
        """
        instance = await self._changeable(caller, instance_id)
        if instance.state is not State.READY or instance.pooled:
            state = "nobody's yet" if instance.pooled else instance.state
            raise NotRenewable(f"An instance that is {state} cannot be renewed.")
        address = None if caller.admin else caller.address
        renewed = await self._ledger.renew(instance, self._max_lifetime, address=address)
        if renewed is None:
            raise NotRenewable("The lease has ended or was changed meanwhile.")
        return renewed

    def renewable(self, instance: Instance, *, by_admin: bool = False) -> bool:
        """Whether a renewal now would give more time. (A ban of an address is seen only when it is
        tried: memory does not know whence a site was launched.)"""
        until = renewed_until(instance, self._ledger.now(), self._max_lifetime)
        longer = instance.state is State.READY and until > instance.expires_at
        return longer and (by_admin or not self._is_banned(instance))

    def renewable_until(self, instance: Instance) -> datetime:
        """However often it is renewed."""
        return renewable_until(instance, self._max_lifetime)

    def _is_banned(self, instance: Instance) -> bool:
        banned = self._safety.is_banned
        return banned(BanKind.VISITOR, instance.owner) or banned(
            BanKind.DISTRIBUTION, instance.distribution
        )

    async def delete(self, caller: Caller, instance_id: str) -> Instance:
        """Returns once it is `stopping`; deleting what has ended changes nothing.

        Raises UnknownInstance, InsufficientScope.
        """
        instance = await self._changeable(caller, instance_id)
        owned = instance.owner == caller.visitor
        failpoint("delete.deciding")
        reason = Reason.DELETED if owned or not caller.admin else Reason.REMOVED_BY_ADMIN
        return await self._endings.end(instance_id, reason) or await self.get(caller, instance_id)

    async def _live_log(self, instance_id: str) -> str:
        """Of those who ask at once one asks the engine, for all: it has few lanes, and starts need
        them too."""
        reading = self._reading.get(instance_id)
        if reading is None:
            reading = asyncio.ensure_future(self._engine.logs(instance_id))
            self._reading[instance_id] = reading
            reading.add_done_callback(lambda done: self._has_read(instance_id, done))
        return await asyncio.shield(reading)

    def _has_read(self, instance_id: str, done: asyncio.Future[str]) -> None:
        del self._reading[instance_id]
        if not done.cancelled():
            done.exception()  # whoever still waits for it gets it; nobody may

    async def log(self, caller: Caller, instance_id: str) -> str:
        """The site's output, live or as kept at its end; "" where there is none.

        Raises UnknownInstance, EngineUnavailable.
        """
        instance = await self.get(caller, instance_id)
        if instance.state in LIVE:
            try:
                async with asyncio.timeout(LOG_DEADLINE):
                    return await self._live_log(instance_id)
            except TimeoutError as error:
                raise EngineUnavailable("The Docker Engine does not answer in time.") from error
        return await self._ledger.store.log(instance_id) or ""
