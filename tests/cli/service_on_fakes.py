"""`python -m tests.cli.service_on_fakes serve`: the service on the fake engine, as a process.

Settings come from the environment, as always. `FAKE_START_DELAY` (seconds) makes starts last; the
probe believes the fake engine. SIGUSR1 makes the engine keep silent from then on, with its threads
stuck as those of a real one would be.
"""

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette

from orchestrator import failpoints, logs
from orchestrator.app import create_app
from orchestrator.catalog import Catalog
from orchestrator.cli import main, serving
from orchestrator.engine.fake import FakeEngine
from orchestrator.engine.routing import Routing
from orchestrator.layout import address_plan
from orchestrator.settings import load_settings
from orchestrator.store.sql import SqlStore

from ..support import HIDDEN, WIKI, FakeProbe, FakeRoutes


class BlackHole(FakeEngine):
    """Answers as the fake does, until it answers no more."""

    silent = False
    threads = ThreadPoolExecutor(8)

    async def _called(self, call: str, about: str = "") -> None:
        if self.silent:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.threads, threading.Event().wait, 30)
        await super()._called(call, about)


def service() -> Starlette:
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    failpoints.arm_from_environment()
    routing = Routing(
        settings.stack, settings.instance_domain, settings.network, address_plan(settings)
    )
    engine = BlackHole(routing)
    engine.start_delay = float(os.environ.get("FAKE_START_DELAY", "0"))
    engine.host.images[WIKI.image.ref] = {}

    def silence(*_: Any) -> None:
        engine.silent = True

    signal.signal(signal.SIGUSR1, silence)
    return create_app(
        settings,
        catalog=Catalog([WIKI, HIDDEN]),
        engine=engine,
        store=SqlStore(settings.database_url, address_plan(settings)),
        probe=FakeProbe(engine, FakeRoutes(engine)),
    )


if __name__ == "__main__":
    serving.from_environment = service  # type: ignore[attr-defined]
    main()
