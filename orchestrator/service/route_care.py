"""The watchdog of the routes: one that does not appear, or stays too long, is told and mended.

The proxy's Docker provider lists all containers at each start or end of one. So where it has missed
something, a *nudge* makes it list anew: the events of a container that exists for a moment. (Its
stream of events may be dead: then nothing but its reconnecting helps, which it does by itself; see
docs/decisions/0007.) A nudge serves everybody, so there is at most one in `NUDGE_PAUSE`.

That a route is missing is known from a start's own questions: the answer lacks the instance's
marker for `readiness.ROUTE_PATIENCE` seconds. Only then is the proxy's API asked, for its reason.
Ready instances are compared at each reconciliation, with one request for all of them. Whether a
container answers at its own address cannot be asked here: the service is kept off the instances'
network, so that they cannot reach it. That the engine runs it, and that it was ready, must do.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog

from ..catalog import Catalog
from ..domain.errors import DistrosError
from ..domain.models import Instance
from ..domain.naming import router_name
from ..domain.outages import ImageMissing, ProxyUnavailable
from ..engine.base import Engine
from .background import Background
from .routes import Route, Routes

log = structlog.get_logger(__name__)

NUDGE_PAUSE: Final = 5.0  # seconds
SEEN_HOLDS: Final = 1.0  # seconds for which the proxy's answer serves other starts too


class RouteCare:
    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        routes: Routes,
        background: Background,
        *,
        stack: str,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._routes = routes
        self._background = background
        self._stack = stack
        self._seen: Mapping[str, Route] | None = None
        self._seen_at = float("-inf")  # monotonic
        self._nudged_at = float("-inf")  # monotonic

    async def seen(self) -> Mapping[str, Route] | None:
        """The proxy's routes now, by the container's name; None where it cannot be asked."""
        try:
            self._seen = await self._routes.all()
        except ProxyUnavailable as error:
            log.warning("routes not seen", error=error.message)
            self._seen = None
        self._seen_at = time.monotonic()
        return self._seen

    def nudge(self) -> None:
        """Soon; not before `NUDGE_PAUSE` is over since the last one."""
        self._background.once("nudge", self._nudge)

    async def _nudge(self) -> None:
        await asyncio.sleep(self._nudged_at + NUDGE_PAUSE - time.monotonic())
        for distribution in self._catalog:
            try:
                await self._engine.nudge(distribution.image.ref)
            except ImageMissing:
                continue  # any other's will do
            except DistrosError as error:
                log.warning("nudge failed", error=error.message)
            else:
                log.info("the proxy was made to list all containers anew")
            break
        self._nudged_at = time.monotonic()

    def look_soon(self, instance: Instance) -> None:
        """After an instance whose own router has not answered for a while."""
        self._background.once(f"route {instance.id}", lambda: self._look(instance))

    async def _look(self, instance: Instance) -> None:
        try:
            container = await self._engine.inspect(instance.id)
        except DistrosError:
            return  # without the engine nothing can be mended
        if container is None or not container.running or container.paused:
            return  # the reaper sees to it
        fresh = time.monotonic() - self._seen_at < SEEN_HOLDS
        routes = self._seen if fresh else await self.seen()
        route = routes.get(router_name(self._stack, instance.id)) if routes else None
        if route is None:
            proxy = "not asked" if routes is None else "nothing"
            log.error("route missing", instance=instance.id, proxy=proxy)
            self.nudge()
        elif not route.enabled:
            log.error("route refused", instance=instance.id, proxy=route.error)
