"""Which distributions can be launched now: those whose image is there, or can be pulled."""

import asyncio
import time

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import DistrosError
from ..engine.base import Engine

FRESH = 3.0  # seconds for which an answer holds: the front page must not ask at every view


DEADLINE = 1.0  # seconds: no page waits longer for an engine that does not answer


class Availability:
    def __init__(self, catalog: Catalog, engine: Engine) -> None:
        self._catalog = catalog
        self._engine = engine
        self._slugs: frozenset[str] | None = None
        self._checked_at = -FRESH
        self._lock = asyncio.Lock()

    async def slugs(self) -> frozenset[str] | None:
        """None while the engine cannot be asked."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= FRESH:
                self._slugs = await self._ask()
                self._checked_at = time.monotonic()
            return self._slugs

    async def _ask(self) -> frozenset[str] | None:
        async def launchable(distribution: Distribution) -> bool:
            image = distribution.image
            return not image.build or await self._engine.has_image(image.ref)

        distributions = tuple(self._catalog)
        try:
            async with asyncio.timeout(DEADLINE):
                answers = await asyncio.gather(*map(launchable, distributions))
        except (DistrosError, TimeoutError):
            return None
        return frozenset(
            distribution.slug
            for distribution, yes in zip(distributions, answers, strict=True)
            if yes
        )
