"""The output of a program in a running container, as an async generator of bytes.

Docker sends standard output and standard error over one connection, in frames. Their payload may be
anything, also what a visitor's code wrote; the frames are the engine's own. The connection is not
taken over, as for a terminal: nothing is ever sent to the program.

No more is read than is taken. The engine cannot be told to stop such a program: where nobody reads
on, it throws the rest away.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Final

from ..domain.engine_errors import CommandFailed
from .execs import Execs

SAID: Final = 1000  # bytes of standard error that are kept, the last ones
_HEADER: Final = 8  # bytes, of which the first is the stream and the last four are the length
_OUT: Final = 1
_ERR: Final = 2
_ENDING: Final = 5.0  # seconds in which a program that says no more tells its exit status


def output_document(command: Sequence[str]) -> dict[str, Any]:
    """What `POST /containers/{id}/exec` gets."""
    return {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}


async def output(
    execs: Execs, container_id: str, command: Sequence[str]
) -> AsyncGenerator[bytes, None]:
    """Raises CommandFailed, NotFound, Conflict, EngineError, EngineUnavailable."""
    exec_id = await execs.create(container_id, output_document(command))
    said, frames = b"", Frames()
    async with aclosing(execs.read(exec_id)) as pieces:
        async for piece in pieces:
            for channel, part in frames.of(piece):
                if channel == _OUT:
                    yield part
                elif channel == _ERR:
                    said = (said + part)[-SAID:]
    status = await _status(execs, exec_id)
    if status != 0:
        raise CommandFailed(status, said.decode(errors="replace").strip())


class Frames:
    """Takes them apart, however they were cut on their way. A large one comes in several parts:
    none is gathered."""

    def __init__(self) -> None:
        self._header = b""
        self._channel = self._left = 0

    def of(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Channel and payload of what this piece of the stream has."""
        rest = piece
        while rest:
            if self._left:
                part, rest = rest[: self._left], rest[self._left :]
                self._left -= len(part)
                yield self._channel, part
                continue
            missing = _HEADER - len(self._header)
            self._header, rest = self._header + rest[:missing], rest[missing:]
            if len(self._header) == _HEADER:
                self._channel, self._left = self._header[0], int.from_bytes(self._header[4:])
                self._header = b""


async def _status(execs: Execs, exec_id: str) -> int:
    """The engine may close the connection a moment before it knows."""
    try:
        async with asyncio.timeout(_ENDING):
            while True:
                if (status := await execs.exit_code(exec_id)) is not None:
                    return status
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CommandFailed(-1, "It closed its output and went on.") from None
