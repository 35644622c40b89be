"""The pool: instances that are started and ready before anybody asks for them.

- A launch **claims** one by a single conditional write; nothing is done to the container (see
  docs/decisions/0005). One that is still starting is claimed too: it is ahead of any new start.
- A ready one is handed over only if its site has passed its readiness check within the last
  `FRESH` seconds, and if it is what a start now would make. `pool_care.py` checks and recycles.
- How many there are is decided in `pool_sizes.py`; the queue starts new ones when nobody waits.
- Each has a deadline (`POOL_LIFETIME`), at which the reaper ends it as it ends any lease. What a
  visitor has had never comes back.
- Where one fails, the next of its distribution waits: `FIRST_BACKOFF`, doubling to
  `LONGEST_BACKOFF`; a check that is passed resets it.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.limits import Quota
from ..domain.models import (
    ALIVE,
    UNASSIGNED,
    WANTED,
    Caller,
    Claim,
    Instance,
    Reason,
    Stage,
    State,
)
from ..domain.naming import new_instance_id
from ..failpoints import failpoint
from .endings import Endings
from .images import Images
from .ledger import Ledger
from .pace import Pace
from .passwords import new_password

POOL_LIFETIME: Final = timedelta(hours=1)  # for which an instance waits for its visitor, at most
FRESH: Final = 60.0  # seconds for which a passed check holds
REFILL_PAUSE: Final = 0.5  # seconds after a claim in which its visitor has the machine alone
FIRST_BACKOFF: Final = 5.0  # seconds
LONGEST_BACKOFF: Final = 300.0  # seconds

_FAULTS: Final = frozenset(Reason) - WANTED
_STARTED_FROM: Final = {
    *("image", "port", "environment", "tmpfs", "limits", "login", "readiness"),
    *("runtime", "weaker"),  # one that had more rights must not outlive them
}

log = structlog.get_logger(__name__)


class Pool:
    def __init__(
        self, catalog: Catalog, ledger: Ledger, endings: Endings, images: Images, pace: Pace
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._endings = endings
        self._images = images
        self._pace = pace
        self._members: dict[str, Instance] = {}  # unclaimed and not ending, oldest first
        self._passed: dict[str, float] = {}  # id → when its last check was passed (monotonic)
        self._known_since: dict[str, float] = {}  # id → monotonic
        self._giving_way: set[str] = set()  # ended for a visitor, but still in its place
        self._failures: Counter[str] = Counter()  # by slug, in a row
        self._not_before: dict[str, float] = {}  # by slug (monotonic)
        self._quiet_until = 0.0  # monotonic
        ledger.listen(self._hear)

    def _hear(self, instance: Instance) -> None:
        if instance.state.ended:
            self._giving_way.discard(instance.id)
        if not (instance.pooled and instance.state in ALIVE):
            self._passed.pop(instance.id, None)
            self._known_since.pop(instance.id, None)
            if self._members.pop(instance.id, None) and instance.reason in _FAULTS:
                self.back_off(instance.distribution)
            return
        self._known_since.setdefault(instance.id, time.monotonic())
        before = self._members.get(instance.id)
        self._members[instance.id] = instance
        if before and before.state is State.STARTING and instance.state is State.READY:
            self._passed[instance.id] = time.monotonic()  # it is ready because it has passed

    # -- who is in it --------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._members)

    def members(self, slug: str | None = None) -> list[Instance]:
        """Oldest first; of one distribution, or of all."""
        everybody = self._members.values()
        return [each for each in everybody if slug is None or each.distribution == slug]

    def passed(self, member: Instance) -> None:
        """It has passed a check just now."""
        self._passed[member.id] = time.monotonic()
        self._failures.pop(member.distribution, None)

    def since_passed(self, member: Instance) -> float:
        """Seconds since its last passed check; infinite where there was none."""
        return time.monotonic() - self._passed.get(member.id, float("-inf"))

    def silent_for(self, member: Instance) -> float:
        """Seconds since its last passed check, or since we have known it."""
        known = self._known_since.get(member.id, time.monotonic())
        return min(self.since_passed(member), time.monotonic() - known)

    def is_warm(self, member: Instance) -> bool:
        """Its site has passed a check so lately that it may be handed over."""
        return member.state is State.READY and self.since_passed(member) < FRESH

    def has_warm(self, slug: str) -> bool:
        """Whether a launch now would have its site at once."""
        return any(self.is_warm(each) and self.is_current(each) for each in self.members(slug))

    def is_current(self, member: Instance) -> bool:
        """As a start now would make it; taken for so while nobody can say."""
        try:
            distribution = self._catalog.get(member.distribution)
        except UnknownDistribution:
            return False
        unknown = not self._images.is_known(distribution.slug)
        return unknown or member.fingerprint == self._fingerprint(distribution)

    def _fingerprint(self, distribution: Distribution) -> str:
        """Changes with whatever a start depends on."""
        made_of = distribution.model_dump_json(include=_STARTED_FROM)
        text = f"{made_of} {self._images.id_of(distribution.slug)}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    # -- claiming ------------------------------------------------------------------------------

    async def claim(
        self,
        caller: Caller,
        distribution: Distribution,
        *,
        name: str | None,
        lifetime: timedelta,
        request_key: str | None,
        quota: Quota | None = None,
    ) -> Instance | None:
        """None where the pool has none to give. Raises what `Store.claim` does."""
        for candidate in self._candidates(distribution):
            now = self._ledger.now()
            expires_at = now + lifetime
            if candidate.state is State.STARTING:
                expires_at += distribution.readiness.deadline
            claim = Claim(caller.visitor, name, lifetime, now, expires_at, request_key)
            failpoint("claim.writing")
            claimed = self._ledger.told(
                await self._ledger.store.claim(candidate.id, claim, quota=quota)
            )
            if claimed is None:
                continue
            failpoint("claim.written")
            if claimed.id == candidate.id:  # else the same request had one before
                if self.quiet_for <= 0:  # a stream of claims must not put it off for ever
                    self._quiet_until = time.monotonic() + REFILL_PAUSE
                log.info("claimed", instance=claimed.id, state=claimed.state)
            return claimed
        return None

    def _candidates(self, distribution: Distribution) -> Iterable[Instance]:
        """The ready ones first, then those that have been starting for longest; but not those that
        should have been ready by now."""
        mine = [each for each in self.members(distribution.slug) if self.is_current(each)]
        ready = [one for one in mine if self.is_warm(one)]
        return ready + [each for each in mine if self._pace.remaining(each)]

    # -- more of them, and fewer ---------------------------------------------------------------

    @property
    def quiet_for(self) -> float:
        """Seconds for which nothing is started, so that who has just claimed is served first."""
        return self._quiet_until - time.monotonic()

    def may_start(self, slug: str) -> bool:
        """Whether one of this distribution may be started now."""
        return self.quiet_for <= 0 and time.monotonic() >= self._not_before.get(slug, 0.0)

    def back_off(self, slug: str) -> None:
        """One of them has failed."""
        pause = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self._failures[slug], 10))
        self._failures[slug] += 1
        self._not_before[slug] = time.monotonic() + pause
        log.warning("pool backs off", distribution=slug, seconds=pause)

    def new(self, distribution: Distribution) -> Instance:
        """The row of one more, as it is written before anything starts."""
        now = self._ledger.now()
        return Instance(
            id=new_instance_id(),
            distribution=distribution.slug,
            owner="",
            state=State.STARTING,
            stage=Stage.CONTAINER,
            created_at=now,
            expires_at=now + distribution.readiness.deadline + POOL_LIFETIME,
            lifetime=distribution.lifetime,
            address=UNASSIGNED,
            password=new_password(distribution),
            pooled=True,
            fingerprint=self._fingerprint(distribution),
        )

    async def give_way(self, places: int) -> None:
        """Ends so many, as far as there are any, so that visitors get their places. On one that the
        engine does not remove nobody waits."""
        sizes = Counter(each.distribution for each in self._members.values())
        fullest_first = sorted(self.members(), key=lambda each: -sizes[each.distribution])
        for member in fullest_first:
            if len(self._giving_way - self._endings.stuck.keys()) >= places:
                return
            if await self.end(member, "A visitor needs its place."):
                self._giving_way.add(member.id)

    async def end(self, member: Instance, why: str) -> bool:
        """False where it has been claimed meanwhile."""
        log.info("pool", instance=member.id, distribution=member.distribution, ending=why)
        return await self._endings.retire(member.id, why) is not None
