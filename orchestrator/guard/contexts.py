"""What an image is built from: this service's own copy of the catalogue.

The steps of a build run as root, with more capabilities than an instance has, and fetch whatever
address a Dockerfile names. So what was sent along is read and thrown away, as the engine would have
read it: the orchestrator's code sends the same folder.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from docker.utils.build import tar
from starlette.requests import Request

from .refusals import Refused

LARGEST: Final = 1024**3  # bytes
PIECE: Final = 64 * 1024  # bytes


async def discard(request: Request) -> None:
    """Raises Refused."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST:
            raise Refused(f"a build is sent at most {LARGEST} bytes", status=413)


async def archive(folder: Path) -> AsyncIterator[bytes]:
    """The folder, packed as Docker's SDK does it, piece by piece."""
    packed = await asyncio.to_thread(tar, folder)
    with contextlib.closing(packed):
        while piece := packed.read(PIECE):
            yield piece
