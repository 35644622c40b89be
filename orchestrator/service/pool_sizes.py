"""How many instances each distribution's pool should hold now.

As demand says (`domain/sizing.py`), between the distribution's `min` and `max`; never more than the
limit for all together, nor than the machine's free memory affords beyond its reserve.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.models import State
from ..domain.safeguards import BanKind
from ..domain.sizing import affordable, pool_size
from .images import Images
from .pace import Pace
from .pool import REFILL_PAUSE, Pool
from .safety import Safety


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """`limit`: unclaimed instances at once, of all distributions; `reserve`: bytes of memory that
    the pool leaves free; `available`: bytes that are free now; `pressed`: whether the machine has
    no room for any more."""

    limit: int
    reserve: int
    available: Callable[[], int]
    pressed: Callable[[], bool]


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


class PoolSizes:
    def __init__(
        self,
        catalog: Catalog,
        pool: Pool,
        images: Images,
        pace: Pace,
        safety: Safety,
        policy: PoolPolicy,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._images = images
        self._pace = pace
        self._safety = safety
        self._policy = policy

    def stocks(self) -> list[Stock]:
        """Of every distribution that has a pool, or still an instance in one."""
        spare = self._policy.available() - self._policy.reserve
        left = self._policy.limit
        stocks = []
        for distribution in self._catalog:
            members = self._pool.members(distribution.slug)
            if not distribution.pool.max and not members:
                continue
            each = int(distribution.limits.memory)
            affords = affordable(len(members), spare=spare, each=each)
            target = min(self._wanted_of(distribution, len(members)), left, affords)
            left -= target
            spare -= (target - len(members)) * each
            ready = sum(member.state is State.READY for member in members)
            stocks.append(Stock(distribution, ready, len(members) - ready, target))
        return stocks

    def _wanted_of(self, distribution: Distribution, size: int) -> int:
        slug = distribution.slug
        if not self._images.is_known(slug):
            return size
        if self._images.is_missing(slug) or self._safety.is_banned(BanKind.DISTRIBUTION, slug):
            return 0
        return pool_size(
            rate=self._pace.rate(slug),
            refill=REFILL_PAUSE + self._pace.at_worst(slug),
            minimum=distribution.pool.min,
            maximum=distribution.pool.max,
        )

    def wanted(self) -> Distribution | None:
        """Of which distribution the next one should be started: the emptiest first."""
        if self._policy.pressed():
            return None
        short = [
            stock
            for stock in self.stocks()
            if stock.size < stock.target and self._pool.may_start(stock.distribution.slug)
        ]
        if not short:
            return None
        return min(short, key=lambda stock: stock.size / stock.target).distribution
