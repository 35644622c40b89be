"""The distributions' images: which are here, and how the others get here.

Looked up at each of the engine's lists; those that are missing, every few seconds. What is missing
when the service starts is pulled or built, one after the other, beside everything else; one that
fails is tried again an hour later. Everything else is answered from memory.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import structlog

from ..catalog import Catalog
from ..domain.distribution import Distribution
from ..domain.errors import DistrosError
from ..engine.base import Engine, ImageProgress

LOOK_INTERVAL = 5.0  # seconds between two looks for an image that is missing
FIRST_LOOK = 1.0  # seconds
RETRY_INTERVAL = 3600.0  # seconds until a failed pull or build is tried again

log = structlog.get_logger(__name__)


class Images:
    def __init__(self, catalog: Catalog, engine: Engine, *, bring: bool) -> None:
        """`bring`: whether missing ones are pulled and built."""
        self._catalog = catalog
        self._engine = engine
        self._bring_missing = bring
        self._ids: dict[str, str | None] = {}  # by slug; a slug that is not in it is unknown yet
        self._coming: dict[str, str] = {}  # slug → how far it has come, as a sentence

    # -- answers, from memory ------------------------------------------------------------------

    def id_of(self, slug: str) -> str | None:
        """The image's id, as last seen; None where it is not here."""
        return self._ids.get(slug)

    def launchable(self, distribution: Distribution) -> bool:
        """Its image is here, or comes with the launch; so it is taken for as long as nobody has
        looked."""
        here = self._ids.get(distribution.slug, "unknown") is not None
        return here or not distribution.image.build

    def coming(self, slug: str) -> str | None:
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

    async def look_at(self, distribution: Distribution) -> str | None:
        found = await self._engine.image_id(distribution.image.ref)
        self._ids[distribution.slug] = found
        return found

    async def watch(self) -> None:
        """For ever: whether what was missing has come."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            with suppress(DistrosError):  # its absence is told elsewhere
                for distribution in self._missing():
                    await self.look_at(distribution)

    # -- bringing ------------------------------------------------------------------------------

    async def bring(self) -> None:
        """For ever: what is missing, once; what failed, again after a while."""
        while self._bring_missing:
            await self.look_quietly()
            for distribution in self._missing():
                try:
                    await self._bring(distribution)
                except DistrosError as error:
                    log.error("no image", distribution=distribution.slug, error=error.message)
            await asyncio.sleep(RETRY_INTERVAL)

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
                    self._coming[slug] = _sentence(distribution, line)
        finally:
            self._coming.pop(slug, None)
        await self.look_at(distribution)

    def _missing(self) -> list[Distribution]:
        return [each for each in self._catalog if self._ids.get(each.slug, "") is None]


def _sentence(distribution: Distribution, line: ImageProgress) -> str:
    return "Being built" if distribution.image.build else line.sentence
