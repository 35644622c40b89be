"""A terminal in memory: a shell that shows what is typed, and knows `echo`, `stty size`, `exit`,
and `sleep`, which never ends."""

import asyncio
from typing import Final

from ..domain.engine_errors import EngineError
from .base import TerminalSize

ROOM: Final = 64 * 1024  # bytes of output that nobody has read; then the shell waits
PROMPT: Final = b"$ "


class FakeTerminal:
    def __init__(self, command: tuple[str, ...]) -> None:
        self.command = command
        self.size: TerminalSize | None = None
        self.typed = b""
        self.closed = False
        self.hung_up = False  # on a command that was running
        self._code: int | None = None
        self._line = b""
        self._output = PROMPT
        self._happened = asyncio.Condition()

    async def read(self) -> bytes:
        async with self._happened:
            await self._happened.wait_for(lambda: self._output or self._over)
            output, self._output = self._output[: 16 * 1024], self._output[16 * 1024 :]
            self._happened.notify_all()
            return output

    async def write(self, typed: bytes) -> None:
        async with self._happened:
            await self._happened.wait_for(lambda: len(self._output) < ROOM or self._over)
            if self._over:
                return
            self.typed += typed
            for byte in typed:
                self._type(bytes([byte]))
            self._happened.notify_all()

    async def resize(self, size: TerminalSize) -> None:
        await asyncio.sleep(0)
        if self._over:
            raise EngineError("It has ended.")
        self.size = size

    async def exit_code(self) -> int | None:
        await asyncio.sleep(0)
        return self._code

    async def close(self) -> None:
        self.hung_up = self._code is None
        self.closed = True
        await self.end(129)

    async def end(self, code: int) -> None:
        """By itself, or with its container."""
        async with self._happened:
            self._code = code if self._code is None else self._code
            self._happened.notify_all()

    async def say(self, output: bytes) -> None:
        """The command writes this, unasked; it waits while nobody reads."""
        async with self._happened:
            await self._happened.wait_for(lambda: len(self._output) < ROOM or self._over)
            self._output += output
            self._happened.notify_all()

    @property
    def _over(self) -> bool:
        return self._code is not None

    def _type(self, key: bytes) -> None:
        if key not in b"\r\n":
            self._line += key
            self._output += key
            return
        words, self._line = self._line.decode(errors="replace").split(), b""
        self._output += b"\r\n"
        match words:
            case ["exit", *code]:
                self._code = int(code[0]) if code else 0
                return
            case ["sleep", *_]:
                return
            case ["echo", *rest]:
                self._output += " ".join(rest).encode() + b"\r\n"
            case ["stty", "size"] if self.size:
                self._output += f"{self.size.rows} {self.size.columns}\r\n".encode()
        self._output += PROMPT
