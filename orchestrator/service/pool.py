"""The pool: instances that are started and ready before anybody asks for them.

- A launch **claims** one by a single conditional write; nothing is done to the container (see
  docs/decisions/0005). One that is still starting is claimed too: it is ahead of any new start.
- A pooled instance is handed over only if its site has passed its readiness check within the last
  `FRESH` seconds. All are checked every `CHECK_INTERVAL`; one that fails is replaced, unseen.
- How many there are follows demand (`domain/sizing.py`), between the distribution's `min` and
  `max`, and what the machine's memory affords. The queue starts new ones when no visitor waits.
- Where a pooled instance fails, the next one of its distribution waits: `FIRST_BACKOFF`, doubling
  to `LONGEST_BACKOFF`; a check that is passed resets it.
- Each has a deadline (`POOL_LIFETIME`), at which the reaper ends it as it ends any lease; it is
  replaced earlier when the distribution or its image has changed. What a visitor has had never
  comes back.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.models import ALIVE, UNASSIGNED, WANTED, Caller, Instance, Reason, Stage, State
from ..domain.naming import hostname, new_instance_id
from ..domain.sizing import affordable, pool_size
from .endings import Endings
from .images import Images
from .ledger import Ledger
from .pace import Pace
from .passwords import new_password
from .readiness import Probe, judge

POOL_LIFETIME: Final = timedelta(hours=1)  # for which an instance waits for its visitor, at most
CHECK_INTERVAL: Final = 20.0  # seconds between two readiness checks of a pooled instance
FRESH: Final = 60.0  # seconds for which a passed check holds
TEND_INTERVAL: Final = 2.0  # seconds between two looks at sizes
REFILL_PAUSE: Final = 0.5  # seconds after a claim in which its visitor has the machine alone
FIRST_BACKOFF: Final = 5.0  # seconds
LONGEST_BACKOFF: Final = 300.0  # seconds

_FAULTS: Final = frozenset(Reason) - WANTED

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """`limit`: unclaimed instances at once, of all distributions; `reserve`: bytes of memory that
    the pool leaves free; `spare`: bytes that are available now."""

    limit: int
    reserve: int
    spare: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Stock:
    """One distribution's pool, as it stands."""

    distribution: Distribution
    ready: int
    starting: int
    target: int

    @property
    def size(self) -> int:
        return self.ready + self.starting


class Pool:
    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        endings: Endings,
        images: Images,
        pace: Pace,
        probe: Probe,
        policy: PoolPolicy,
        *,
        instance_domain: str,
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._endings = endings
        self._images = images
        self._pace = pace
        self._probe = probe
        self._policy = policy
        self._instance_domain = instance_domain
        self._members: dict[str, Instance] = {}  # unclaimed and not ending, oldest first
        self._passed: dict[str, float] = {}  # id → when its last check was passed (monotonic)
        self._going: set[str] = set()  # ended for a visitor, but still in its place
        self._failures: Counter[str] = Counter()  # by slug, in a row
        self._not_before: dict[str, float] = {}  # by slug (monotonic)
        self._quiet_until = 0.0  # monotonic
        ledger.listen(self._hear)

    def _hear(self, instance: Instance) -> None:
        if instance.state.ended:
            self._going.discard(instance.id)
        if not (instance.pooled and instance.state in ALIVE):
            self._passed.pop(instance.id, None)
            if self._members.pop(instance.id, None) and instance.reason in _FAULTS:
                self._back_off(instance.distribution)
            return
        before = self._members.get(instance.id)
        self._members[instance.id] = instance
        if before and before.state is State.STARTING and instance.state is State.READY:
            self._passed[instance.id] = time.monotonic()  # it is ready because it has passed

    def _back_off(self, slug: str) -> None:
        pause = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** self._failures[slug])
        self._failures[slug] += 1
        self._not_before[slug] = time.monotonic() + pause
        log.warning("pool backs off", distribution=slug, seconds=pause)

    def __len__(self) -> int:
        return len(self._members)

    # -- claiming ------------------------------------------------------------------------------

    async def claim(
        self,
        caller: Caller,
        distribution: Distribution,
        *,
        name: str | None,
        lifetime: timedelta,
        request_key: str | None,
    ) -> Instance | None:
        """None where the pool has none to give."""
        for candidate in self._candidates(distribution):
            now = self._ledger.now()
            expires_at = now + lifetime
            if candidate.state is State.STARTING:
                expires_at += distribution.readiness.deadline
            claimed = self._ledger.told(
                await self._ledger.store.claim(
                    candidate.id,
                    owner=caller.visitor,
                    name=name,
                    lifetime=lifetime,
                    now=now,
                    expires_at=expires_at,
                    request_key=request_key,
                )
            )
            if claimed is not None:
                if self.pause <= 0:  # a stream of claims must not put it off for ever
                    self._quiet_until = time.monotonic() + REFILL_PAUSE
                log.info("claimed", instance=claimed.id, state=claimed.state)
                return claimed
        return None

    def _candidates(self, distribution: Distribution) -> list[Instance]:
        """The ready ones first, then those that have been starting for longest."""
        mine = [each for each in self._of(distribution.slug) if self._is_current(each)]
        ready = [each for each in mine if self._is_fresh(each)]
        return ready + [each for each in mine if each.state is State.STARTING]

    def _of(self, slug: str) -> Iterator[Instance]:
        return (each for each in self._members.values() if each.distribution == slug)

    def _is_fresh(self, member: Instance) -> bool:
        passed = self._passed.get(member.id)
        return (
            member.state is State.READY and passed is not None and time.monotonic() - passed < FRESH
        )

    def _is_current(self, member: Instance) -> bool:
        """As a start now would make it."""
        try:
            distribution = self._catalog.get(member.distribution)
        except UnknownDistribution:
            return False
        return member.fingerprint == self._fingerprint(distribution)

    def _fingerprint(self, distribution: Distribution) -> str:
        return _fingerprint(distribution, self._images.id_of(distribution.slug))

    # -- sizes ---------------------------------------------------------------------------------

    def stocks(self) -> list[Stock]:
        """Of every distribution that has a pool."""
        spare = self._policy.spare() - self._policy.reserve
        left = self._policy.limit
        stocks = []
        for distribution in self._catalog:
            bounds = distribution.pool
            members = list(self._of(distribution.slug))
            if not bounds.max and not members:
                continue
            wanted = pool_size(
                rate=self._pace.rate(distribution.slug),
                refill=REFILL_PAUSE + self._pace.at_worst(distribution.slug),
                minimum=bounds.min,
                maximum=bounds.max,
            )
            each = int(distribution.limits.memory)
            target = min(wanted, left, affordable(len(members), spare=spare, each=each))
            if self._images.id_of(distribution.slug) is None:
                target = 0
            left -= target
            spare -= (target - len(members)) * each
            ready = sum(member.state is State.READY for member in members)
            stocks.append(Stock(distribution, ready, len(members) - ready, target))
        return stocks

    @property
    def pause(self) -> float:
        """Seconds for which nothing is started, so that who has just claimed is served first."""
        return self._quiet_until - time.monotonic()

    def wanted(self) -> Distribution | None:
        """Of which distribution the next one should be started: the emptiest first."""
        now = time.monotonic()
        short = [
            stock
            for stock in self.stocks()
            if stock.size < stock.target
            and now >= self._not_before.get(stock.distribution.slug, now)
        ]
        if not short or self.pause > 0:
            return None
        return min(short, key=lambda stock: stock.size / stock.target).distribution

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

    # -- keeping it good -----------------------------------------------------------------------

    async def tend(self) -> None:
        """For ever: ends what is out of date or too much, checks what is due."""
        while True:
            await self._retire()
            await self._check()
            await asyncio.sleep(TEND_INTERVAL)

    async def give_way(self, places: int) -> None:
        """Ends so many, as far as there are any, so that visitors get their places."""
        for member in self._least_needed():
            if len(self._going) >= places:
                return
            if await self._end(member, "A visitor needs its place."):
                self._going.add(member.id)

    async def _retire(self) -> None:
        for member in [each for each in self._members.values() if not self._is_current(each)]:
            await self._end(member, "The distribution or its image has changed.")
        for stock in self.stocks():
            surplus = stock.size - stock.target
            ready = [one for one in self._of(stock.distribution.slug) if one.state is State.READY]
            for member in ready[: max(0, surplus)]:
                await self._end(member, "There are more than are needed.")

    def _least_needed(self) -> list[Instance]:
        """Those of the fullest pool first."""
        sizes = Counter(each.distribution for each in self._members.values())
        return sorted(self._members.values(), key=lambda each: -sizes[each.distribution])

    async def _check(self) -> None:
        now = time.monotonic()
        for member in list(self._members.values()):
            passed = self._passed.get(member.id, -CHECK_INTERVAL)
            if member.state is State.READY and now - passed >= CHECK_INTERVAL:
                await self._check_one(member)

    async def _check_one(self, member: Instance) -> None:
        wanted = self._catalog.get(member.distribution).readiness
        host = hostname(member.id, None, self._instance_domain)
        verdict = judge(await self._probe.ask(host, wanted.path), wanted, member.id)
        if verdict.stage is Stage.READY:
            self._passed[member.id] = time.monotonic()
            self._failures.pop(member.distribution, None)
        elif member.id in self._members:
            self._back_off(member.distribution)
            await self._end(member, f"It failed a check: {verdict.explanation}")

    async def _end(self, member: Instance, why: str) -> bool:
        """Unless it has been claimed meanwhile."""
        log.info("pool", instance=member.id, distribution=member.distribution, ending=why)
        return await self._endings.retire(member.id, why) is not None


def _fingerprint(distribution: Distribution, image: str | None) -> str:
    """Changes with whatever a start depends on."""
    text = f"{distribution.model_dump_json()} {image}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
