"""Whether a launch could work now: the engine, the proxy and the store answer.

They are asked every five seconds, or every second while one is away, all at once and beside
everything else; and before a launch that the pool does not serve, and by `/readyz`. A good answer
holds for five seconds; for a minute it still lets launches pass, while it is asked for anew beside
them, so that they do not wait for it. A bad one holds for a second, so that a burst of visitors
asks once.

Nobody waits for an answer longer than `PATIENCE`: what has kept silent until then counts as away
for whoever has asked. For everybody else it does only after `DEADLINE`: a busy machine may be slow.

Whether the engine is away is known from its event stream too, without asking.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from ..domain.errors import DistrosError
from ..domain.outages import EngineUnavailable, ProxyUnavailable, StoreUnavailable, Unavailable
from ..engine.base import Engine
from ..store.base import Store
from .background import Background
from .readiness import Probe

log = structlog.get_logger(__name__)

GOOD_HOLDS = 5.0  # seconds
GOOD_ENOUGH = 60.0  # seconds for which a good answer is taken, if the next one is on its way
BAD_HOLDS = 1.0  # seconds
PATIENCE = 0.8  # seconds that anybody waits: every request is answered within one
DEADLINE = 3.0  # seconds for all the checks together

_SILENT: Final[dict[str, Unavailable]] = {
    "engine": EngineUnavailable("The Docker Engine does not answer in time."),
    "proxy": ProxyUnavailable("The proxy does not answer in time."),
    "store": StoreUnavailable("The database does not answer in time."),
}


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
        self._proxy_away_at = float("-inf")  # monotonic; when it was last seen to be
        self._asking: asyncio.Task[None] | None = None
        self._answers: dict[str, Check] = {}  # of those who are being asked
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

    @property
    def trouble(self) -> DistrosError | None:
        """Why no launch is possible now, as last seen; None where nothing is known against it."""
        known = [check.error for check in self._checks if check.error and check.name != "engine"]
        return _SILENT["engine"] if self.engine_away else next(iter(known), None)

    async def require(self) -> None:
        """Raises the first complaint: EngineUnavailable, ProxyUnavailable or StoreUnavailable."""
        if self._holds_until <= time.monotonic() < self._good_until:
            self._ask()
            return
        for check in await self.checks():
            if check.error is not None:
                raise check.error

    async def checks(self, *, anew: bool = False) -> tuple[Check, ...]:
        """Of engine, proxy and store, in that order, within `PATIENCE` seconds."""
        if not anew and time.monotonic() < self._holds_until:
            return self._checks
        asking = self._ask()
        await asyncio.wait({asking}, timeout=PATIENCE)
        if asking.done() and self._checks:
            return self._checks
        return tuple(
            self._answers.get(name) or Check(name, silent) for name, silent in _SILENT.items()
        )

    async def proxy_was_there(self, since: float) -> bool:
        """And is now, as far as was seen; `since` (monotonic)."""
        checks = await self.checks(anew=True)
        away = any(check.error for check in checks if check.name == "proxy")
        return not away and self._proxy_away_at < since

    async def engine_answers(self) -> bool:
        """Within `PATIENCE` seconds, too."""
        engine = next(check for check in await self.checks() if check.name == "engine")
        return engine.error is None

    async def watch(self) -> None:
        """For ever."""
        while True:
            good = self.trouble is None
            await asyncio.sleep(GOOD_HOLDS if good else BAD_HOLDS)
            await self.checks()

    def _ask(self) -> asyncio.Task[None]:
        """One round of questions at a time."""
        if self._asking is None or self._asking.done():
            self._answers = {}
            self._asking = self._background.spawn(self._ask_all(), name="health")
        return self._asking

    async def _ask_all(self) -> None:
        await asyncio.gather(
            self._check("engine", self._engine.prepare),
            self._check("proxy", self._reach_proxy),
            self._check("store", self._store.check),
        )
        self._checks = tuple(self._answers[name] for name in _SILENT)
        self.engine_away = self._answers["engine"].error is not None
        good = all(check.error is None for check in self._checks)
        now = time.monotonic()
        if self._answers["proxy"].error is not None:
            self._proxy_away_at = now
        self._holds_until = now + (GOOD_HOLDS if good else BAD_HOLDS)
        self._good_until = now + GOOD_ENOUGH if good else 0.0

    async def _check(self, name: str, ask: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                await ask()
        except TimeoutError:
            self._answers[name] = Check(name, _SILENT[name])
        except DistrosError as error:
            self._answers[name] = Check(name, error)
        except Exception:  # a mistake of ours; the other answers count all the same
            log.exception("check failed", part=name)
            self._answers[name] = Check(name, Unavailable(f"The check of the {name} has failed."))
        else:
            self._answers[name] = Check(name)

    async def _reach_proxy(self) -> None:
        """The way that visitors come: through the proxy to this very service."""
        answer = await self._probe.ask(self._site_host, "/healthz")
        if answer.status is None:
            raise ProxyUnavailable(f"The proxy cannot be reached: {answer.error}.")
        if answer.status != 200:
            raise ProxyUnavailable(
                f"The proxy does not lead to this service: it answers {answer.status}."
            )
