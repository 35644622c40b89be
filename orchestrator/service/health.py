"""Whether a launch could work now: the engine, the proxy and the store answer.

Asked before each launch that the pool does not serve, and by `/readyz`. A good answer holds for
five seconds; for a minute it still lets launches pass, while it is asked for anew beside them, so
that they do not wait for it. A bad one holds for a second, so that a burst of visitors asks once.

Whether the engine is away is known from its event stream too, without asking.
"""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from ..domain.errors import DistrosError, ProxyUnavailable, Unavailable
from ..engine.base import Engine
from ..store.base import Store
from .background import Background
from .readiness import Probe

GOOD_HOLDS = 5.0  # seconds
GOOD_ENOUGH = 60.0  # seconds for which a good answer is taken, if the next one is on its way
BAD_HOLDS = 1.0  # seconds
DEADLINE = 3.0  # seconds for all the checks together


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    error: DistrosError | None = None


class Health:
    def __init__(
        self,
        engine: Engine,
        store: Store,
        probe: Probe,
        background: Background,
        *,
        site_host: str,
    ) -> None:
        self._engine = engine
        self._store = store
        self._probe = probe
        self._background = background
        self._site_host = site_host
        self.engine_away = False  # as last seen
        self._lock = asyncio.Lock()
        self._checks: tuple[Check, ...] = ()
        self._holds_until = 0.0
        self._good_until = 0.0

    def engine_is_away(self) -> None:
        self.engine_away = True
        self._holds_until = self._good_until = 0.0

    def engine_is_back(self) -> None:
        if self.engine_away:
            self._holds_until = 0.0
        self.engine_away = False

    async def require(self) -> None:
        """Raises the first complaint: EngineUnavailable, ProxyUnavailable or StoreUnavailable."""
        if self._holds_until <= time.monotonic() < self._good_until:
            self._background.once("health", self.checks)
            return
        for check in await self.checks():
            if check.error is not None:
                raise check.error

    async def checks(self) -> tuple[Check, ...]:
        async with self._lock:
            if time.monotonic() >= self._holds_until:
                self._checks = tuple(
                    await asyncio.gather(
                        _check("engine", self._engine.prepare()),
                        _check("proxy", self._reach_proxy()),
                        _check("store", self._store.check()),
                    )
                )
                self.engine_away = self._checks[0].error is not None
                good = all(check.error is None for check in self._checks)
                now = time.monotonic()
                self._holds_until = now + (GOOD_HOLDS if good else BAD_HOLDS)
                self._good_until = now + GOOD_ENOUGH if good else 0.0
            return self._checks

    async def _reach_proxy(self) -> None:
        """The way that visitors come: through the proxy to this very service."""
        answer = await self._probe.ask(self._site_host, "/healthz")
        if answer.status is None:
            raise ProxyUnavailable(f"The proxy cannot be reached: {answer.error}.")
        if answer.status != 200:
            raise ProxyUnavailable(
                f"The proxy does not lead to this service: it answers {answer.status}."
            )


async def _check(name: str, work: Awaitable[object]) -> Check:
    try:
        async with asyncio.timeout(DEADLINE):
            await work
    except TimeoutError:
        return Check(name, Unavailable(f"No answer from the {name} within {DEADLINE:g} s."))
    except DistrosError as error:
        return Check(name, error)
    return Check(name)
