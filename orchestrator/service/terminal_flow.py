"""What goes through a terminal, at the pace of the slower end.

A browser takes whatever a WebSocket brings, and what its page has not drawn yet fills its memory;
so the page acknowledges what it has drawn. Beyond `WINDOW` bytes that it has not, the shell waits.
Of many changes of the size only the latest counts: not each is a call to the engine.
"""

import asyncio
import contextlib
from typing import Final, NoReturn

from ..domain.engine_errors import EngineError
from ..domain.outages import EngineUnavailable
from ..engine.base import Terminal, TerminalSize

WINDOW: Final = 256 * 1024  # bytes
RESIZE_PACE: Final = 0.1  # seconds between two changes of the size


class Flow:
    """What the two directions have to tell each other."""

    def __init__(self) -> None:
        self.unseen = 0  # bytes
        self.size: TerminalSize | None = None
        self._drawn = asyncio.Event()
        self._resized = asyncio.Event()

    async def room(self) -> None:
        while self.unseen >= WINDOW:
            self._drawn.clear()
            await self._drawn.wait()

    def seen(self, count: int) -> None:
        self.unseen = max(self.unseen - count, 0)
        self._drawn.set()

    def resize(self, size: TerminalSize) -> None:
        self.size = size
        self._resized.set()

    async def next_size(self, unlike: TerminalSize | None) -> TerminalSize:
        while self.size is None or self.size == unlike:
            self._resized.clear()
            await self._resized.wait()
        return self.size


async def keep_size(terminal: Terminal, flow: Flow) -> NoReturn:
    """Only the latest counts; between two there is a pause."""
    size = None
    while True:
        size = await flow.next_size(unlike=size)
        with contextlib.suppress(EngineError, EngineUnavailable):  # its end is told elsewhere
            await terminal.resize(size)
        await asyncio.sleep(RESIZE_PACE)
