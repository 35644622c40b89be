"""Backups of the database, made and restored while the service works.

After a restoration everything is compared with the engine, as after any fault; while the engine is
away, the next list does it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from ..domain.errors import DistrosError, InvalidBackup, RequestTooLarge
from ..domain.outages import StoreUnavailable
from ..store.base import Restored
from .ledger import Ledger

LARGEST: Final = 4 * 1024**3  # bytes of an upload

log = structlog.get_logger(__name__)


class Backups:
    def __init__(self, ledger: Ledger, compare: Callable[[], Awaitable[object]]) -> None:
        """`compare` lists the engine and repairs every difference between it and the store."""
        self._ledger = ledger
        self._compare = compare
        self._one_at_a_time = asyncio.Lock()

    async def make(self) -> BinaryIO:
        """A file that has no name any more: whoever closes it removes it. Raises NotSupported."""
        with self._ledger.store.workspace() as folder:
            made = folder / "backup.db"
            await self._ledger.store.backup(made)
            return await asyncio.to_thread(made.open, "rb")

    async def restore(self, chunks: AsyncIterator[bytes]) -> Restored:
        """Raises InvalidBackup, RequestTooLarge, NotSupported, Unavailable; then nothing has
        changed."""
        store = self._ledger.store
        with store.workspace() as folder:
            upload = folder / "upload.db"
            size = await _receive(chunks, upload)
            async with self._one_at_a_time:
                restored = await store.restore(upload, self._ledger.now())
                await self._ledger.load()
        log.warning(
            "restored a backup",
            bytes=size,
            instances=restored.instances,
            carried_over=restored.carried_over,
            owners_back=restored.owners_back,
        )
        try:
            await self._compare()
        except DistrosError as error:
            log.warning("not compared with the engine yet", error=error.message)
        return restored


async def _receive(chunks: AsyncIterator[bytes], upload: Path) -> int:
    """Its size in bytes."""
    size = 0
    try:
        with upload.open("xb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > LARGEST:
                    raise RequestTooLarge(
                        "The backup is too large.",
                        hint=f"At most {LARGEST // 1024**3} GiB are taken.",
                    )
                await asyncio.to_thread(file.write, chunk)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreUnavailable(f"The backup cannot be received: {reason}.") from error
    if not size:
        raise InvalidBackup("The body is empty.")
    return size
