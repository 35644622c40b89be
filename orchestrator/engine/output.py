"""The output of a program in a running container, as an async generator of bytes.

Docker sends standard output and standard error over one connection, in frames. Their payload may be
anything, also what a visitor's code wrote; the frames are the engine's own. The connection is not
taken over, as the SDK would: then it also passes a socket guard.

The engine cannot be told to stop such a program: where nobody reads on, it throws the rest away.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Final

from ..domain.errors import CommandFailed
from .sdk import Client, Sdk
from .stream import stream

PIECE: Final = 64 * 1024  # bytes that are read at once
AHEAD: Final = 4  # pieces that are read before the first is taken
SILENCE: Final = 60.0  # seconds
SAID: Final = 1000  # bytes of standard error that are kept, the last ones
_HEADER: Final = 8  # bytes, of which the first is the stream and the last four are the length
_OUT: Final = 1
_ERR: Final = 2
_ENDING: Final = 5.0  # seconds in which a program that says no more tells its exit status


async def output(
    sdk: Sdk, container_id: str, command: Sequence[str]
) -> AsyncGenerator[bytes, None]:
    """Raises CommandFailed, and what `sdk.translate` makes of an error."""
    execution: str = await sdk.call(lambda client: _create(client, container_id, command))

    def request(client: Client) -> Iterable[tuple[int, bytes]]:
        document = {"Detach": False, "Tty": False}
        return frames(client.send_document(f"/exec/{execution}/start", document, PIECE))

    said = b""
    async with aclosing(stream(sdk, request, silence=SILENCE, ahead=AHEAD)) as pieces:
        async for channel, piece in pieces:
            if channel == _OUT:
                yield piece
            elif channel == _ERR:
                said = (said + piece)[-SAID:]
    status = await _status(sdk, execution)
    if status != 0:
        raise CommandFailed(status, said.decode(errors="replace").strip())


def _create(client: Client, container_id: str, command: Sequence[str]) -> str:
    created: dict[str, Any] = client.exec_create(container_id, list(command))
    return str(created["Id"])


def frames(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Channel and payload, however the frames were cut on their way. A large frame comes in several
    parts: none is gathered."""
    header, channel, left = b"", 0, 0
    for piece in pieces:
        rest = piece
        while rest:
            if left:
                part, rest = rest[:left], rest[left:]
                left -= len(part)
                yield channel, part
                continue
            missing = _HEADER - len(header)
            header, rest = header + rest[:missing], rest[missing:]
            if len(header) == _HEADER:
                channel, left, header = header[0], int.from_bytes(header[4:]), b""


async def _status(sdk: Sdk, execution: str) -> int:
    """The engine may close the connection a moment before it knows."""
    try:
        async with asyncio.timeout(_ENDING):
            while True:
                found = await sdk.call(lambda client: client.exec_inspect(execution))
                if found["ExitCode"] is not None and not found["Running"]:
                    return int(found["ExitCode"])
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CommandFailed(-1, "It closed its output and went on.") from None
