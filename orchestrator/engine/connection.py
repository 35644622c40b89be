"""A connection that an HTTP server has handed over (`101 Switching Protocols`): bytes both ways.

Docker's way to a terminal. The socket itself presses back: whoever does not read holds up the
writer at the other end, and a write returns once there is room. Nothing here has a thread.
"""

import contextlib
from typing import Any, Final

import httpcore
import httpx

PIECE: Final = 16 * 1024  # bytes at once
UPGRADE: Final = {"Connection": "Upgrade", "Upgrade": "tcp"}


class Connection:
    def __init__(self, answer: httpx.Response) -> None:
        """`answer` has status 101, and was asked for as a stream."""
        self._answer = answer
        self._stream: Any = answer.extensions["network_stream"]

    async def read(self) -> bytes:
        """At most `PIECE` bytes; b"" once no more will come, for whatever reason."""
        try:
            received: bytes = await self._stream.read(PIECE)
        except httpcore.NetworkError:
            return b""
        return received

    async def write(self, data: bytes) -> None:
        """What the other end no longer takes is lost; then reading ends, too."""
        with contextlib.suppress(httpcore.NetworkError):
            await self._stream.write(data)

    async def close(self) -> None:
        with contextlib.suppress(httpcore.NetworkError):
            await self._answer.aclose()
