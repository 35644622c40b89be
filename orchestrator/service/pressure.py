"""Disk and memory: below their reserves no launch is admitted and the pool does not grow.

What is free is measured when somebody asks, at most once in `HOLDS`, beside the event loop; a disk
that does not answer in time leaves the last figures standing. What the pool has is claimed all the
same, launches that were accepted go on, and running sites are not touched.

While the disk is short, and once a day, what is ours and unused is removed: logs of ended instances
first (while it is short; otherwise they are kept as long as their instances), then images that we
built and that no tag and no container uses any more.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import psutil
import structlog

from ..domain.engine_errors import EngineError
from ..domain.errors import DistrosError
from ..domain.outages import EngineUnavailable, UnderPressure
from ..domain.pressure import Reserves, Room, disk_shortage, memory_shortage
from ..engine.base import Engine
from .health import Check
from .ledger import Ledger

HOLDS: Final = 1.0  # seconds for which a measurement is taken
DEADLINE: Final = 0.8  # seconds to wait for one: every request is answered within one
LOOK_INTERVAL: Final = 5.0  # seconds
RELIEF_INTERVAL: Final = 600.0  # seconds between two clearances while the disk is short
DAILY: Final = 24 * 3600.0  # seconds
OLD_LOG: Final = timedelta(hours=1)  # after the end of its instance
OLD_IMAGE: Final = timedelta(hours=1)  # a younger one may be a step of a build under way

log = structlog.get_logger(__name__)


def measure(folders: Sequence[Path]) -> Room:
    """Of this machine, which is the engine's; a container sees the machine's memory too."""
    return Room(
        disks=[psutil.disk_usage(str(folder)).free for folder in folders],
        memory=psutil.virtual_memory().available,
    )


class Pressure:
    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        reserves: Reserves,
        database_folder: Path | None,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._reserves = reserves
        self._folders = [database_folder] if database_folder else []
        self._disk: str | None = None  # a sentence while it is short
        self._memory: str | None = None
        self.free_memory: int | None = None  # bytes, as last measured
        self._measuring: asyncio.Task[None] | None = None
        self._measured_at = float("-inf")  # monotonic
        self._relieved_at = float("-inf")  # monotonic
        self._root_known = False

    @property
    def acute(self) -> bool:
        """As last measured."""
        return bool(self._disk or self._memory)

    @property
    def shortage(self) -> str | None:
        """A sentence while there is one, as last measured."""
        return self._disk or self._memory

    async def require(self) -> None:
        """Raises UnderPressure."""
        await self._look()
        if shortage := self._disk or self._memory:
            raise UnderPressure(shortage)

    async def check(self) -> Check:
        try:
            await self.require()
        except UnderPressure as error:
            return Check("pressure", error)
        return Check("pressure")

    async def watch(self) -> None:
        """For ever."""
        while True:
            if not self._root_known:
                await self._find_engine_root()
            await self._look()
            since = time.monotonic() - self._relieved_at
            if since >= (RELIEF_INTERVAL if self._disk else DAILY):
                await self._relieve()
            await asyncio.sleep(LOOK_INTERVAL)

    # -- measuring -----------------------------------------------------------------------------

    async def _find_engine_root(self) -> None:
        """It is asked for until the engine has answered; a socket proxy refuses, as a rule."""
        try:
            root = await self._engine.data_root()
        except EngineUnavailable:
            return
        except EngineError:
            root = None
        self._root_known = True
        if root is not None and root.is_dir():
            self._folders.append(root)
            self._measured_at = float("-inf")

    async def _look(self) -> None:
        if time.monotonic() - self._measured_at < HOLDS:
            return
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure())
        await asyncio.wait({self._measuring}, timeout=DEADLINE)

    async def _measure(self) -> None:
        try:
            room = await asyncio.to_thread(measure, self._folders)
        except OSError as error:
            log.warning("free space not measured", error=str(error))
            return
        before = self.acute
        self.free_memory = room.memory
        self._disk = disk_shortage(room, self._reserves)
        self._memory = memory_shortage(room, self._reserves)
        self._measured_at = time.monotonic()
        if self.acute and not before:
            self._relieved_at = float("-inf") if self._disk else self._relieved_at
            log.warning("under pressure", disk=self._disk, memory=self._memory)
        elif before and not self.acute:
            log.info("pressure is over")

    # -- relief --------------------------------------------------------------------------------

    async def _relieve(self) -> None:
        self._relieved_at = time.monotonic()
        logs = images = 0
        try:
            if self._disk:
                before = self._ledger.now() - OLD_LOG
                logs = await self._ledger.store.forget_logs(ended_before=before)
            images = await self._engine.prune_images(older_than=OLD_IMAGE)
        except DistrosError as error:  # the next time
            log.warning("not all that is unused is removed", error=error.message)
        if logs or images:
            log.info("removed what is unused", logs=logs, images=images)
