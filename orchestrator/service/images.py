"""The distributions' images: which are here, and how the others get here.

Looked up at each of the engine's lists; those that are missing, or that nobody could look up yet,
every few seconds. What is missing is pulled or built, one after the other, beside everything else;
one that fails is tried again an hour later. Everything else is answered from memory.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import DistrosError
from ..engine.base import Engine, ImageProgress

LOOK_INTERVAL = 5.0  # seconds between two looks for an image that is not here
FIRST_LOOK = 1.0  # seconds
RETRY_INTERVAL = 3600.0  # seconds until a failed pull or build is tried again

log = structlog.get_logger(__name__)


class Images:
    def __init__(self, catalog: Catalog, engine: Engine) -> None:
        self._catalog = catalog
        self._engine = engine
        self._ids: dict[str, str] = {}  # slug → id, of those that are here
        self._missing: set[str] = set()  # slugs; in neither is what nobody could look up yet
        self._coming: dict[str, ImageProgress] = {}  # slug → how far it has come
        self._not_before: dict[str, float] = {}  # slug → when it is tried again (monotonic)

    # -- answers, from memory ------------------------------------------------------------------

    def id_of(self, slug: str) -> str | None:
        """The image's id, as last seen; None where it is missing or unknown."""
        return self._ids.get(slug)

    def is_missing(self, slug: str) -> bool:
        """The engine has said so."""
        return slug in self._missing

    def is_known(self, slug: str) -> bool:
        """Here or missing: the engine could be asked."""
        return slug in self._ids or slug in self._missing

    def launchable(self, distribution: Distribution) -> bool:
        """Its image is here (or unknown: the start will see), or comes with the launch."""
        return not (distribution.image.build and self.is_missing(distribution.slug))

    def coming(self, slug: str) -> ImageProgress | None:
        """How far a missing image has come that is on its way."""
        return self._coming.get(slug)

    # -- looking -------------------------------------------------------------------------------

    async def look(self) -> None:
        """At all of them. Raises DistrosError where the engine cannot be asked."""
        for distribution in self._catalog:
            await self.look_at(distribution)

    async def first_look(self) -> None:
        """So that the first page is right; the service does not wait long for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK):
                await self.look_quietly()

    async def look_quietly(self) -> None:
        """Where the engine cannot be asked, what was seen last holds."""
        try:
            await self.look()
        except DistrosError as error:
            log.warning("images not looked up", error=error.message)

    async def look_at(self, distribution: Distribution) -> bool:
        """Whether it is here."""
        slug = distribution.slug
        found = await self._engine.image_id(distribution.image.ref)
        if found is None:
            self._ids.pop(slug, None)
            self._missing.add(slug)
        else:
            self._missing.discard(slug)
            self._ids[slug] = found
        return found is not None

    async def watch(self) -> None:
        """For ever: whether what was not here has come."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            with suppress(DistrosError):  # its absence is told elsewhere
                for distribution in self._catalog:
                    if distribution.slug not in self._ids:
                        await self.look_at(distribution)

    # -- bringing ------------------------------------------------------------------------------

    async def bring(self) -> None:
        """For ever: pulls and builds what is missing."""
        while True:
            for distribution in self._catalog:
                if self._is_due(distribution.slug):
                    await self._try_to_bring(distribution)
            await asyncio.sleep(LOOK_INTERVAL)

    def _is_due(self, slug: str) -> bool:
        return slug in self._missing and time.monotonic() >= self._not_before.get(slug, 0.0)

    async def _try_to_bring(self, distribution: Distribution) -> None:
        self._not_before[distribution.slug] = time.monotonic() + RETRY_INTERVAL
        try:
            await self._bring(distribution)
        except DistrosError as error:
            log.error("no image", distribution=distribution.slug, error=error.message)
        except Exception:  # the others must come all the same
            log.exception("no image", distribution=distribution.slug)

    async def _bring(self, distribution: Distribution) -> None:
        slug, ref = distribution.slug, distribution.image.ref
        log.info("bringing image", distribution=slug, image=ref)
        progress: AsyncGenerator[ImageProgress, None]
        if distribution.image.build:
            progress = self._engine.build(self._catalog.folder(slug), ref)
        else:
            progress = self._engine.pull(ref)
        try:
            async with aclosing(progress) as lines:
                async for line in lines:
                    self._coming[slug] = line
        finally:
            self._coming.pop(slug, None)
        await self.look_at(distribution)
        await self._engine.check_image(distribution)
