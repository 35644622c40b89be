"""How the guard hands a connection over, as Docker does for a terminal: 101, then bytes both ways.

ASGI has no word for that. So uvicorn's protocol is given one here: an extension of the scope, by
which an application takes the connection out of uvicorn's hands, once the request has been read.
"""

import asyncio
import contextlib
from typing import Any, Final

import h11
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..engine.connection import PIECE, Connection
from ..race import first_of

EXTENSION: Final = "distros.handover"
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Protocol(H11Protocol):
    """For `uvicorn.run(…, http=Protocol)`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.app = self._extended(self.app)

    def _extended(self, app: Any) -> ASGIApp:
        async def extended(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[EXTENSION] = self._hand_over
            await app(scope, receive, send)

        return extended

    def _should_upgrade(self) -> bool:
        """Not to WebSocket, and no warning of it."""
        return False

    def _hand_over(self) -> Ends:
        answer = h11.InformationalResponse(
            status_code=101,
            reason=b"UPGRADED",
            headers=[
                ("Content-Type", "application/vnd.docker.raw-stream"),
                ("Connection", "Upgrade"),
                ("Upgrade", "tcp"),
            ],
        )
        self.transport.write(self.conn.send(answer) or b"")
        self.connections.discard(self)
        self.cycle.disconnected = True  # uvicorn has nothing to answer any more
        reader = asyncio.StreamReader(limit=4 * PIECE, loop=self.loop)
        streams = asyncio.StreamReaderProtocol(reader, loop=self.loop)
        streams.connection_made(self.transport)
        reader.feed_data(self.conn.trailing_data[0])
        self.transport.set_protocol(streams)
        self.flow.resume_reading()
        return reader, asyncio.StreamWriter(self.transport, streams, reader, self.loop)


class Handover(Response):
    """The engine's connection, passed on until either end closes it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(status_code=101)
        self._engine = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                reader, writer = scope["extensions"][EXTENSION]()
                with contextlib.closing(writer):
                    await first_of(self._in(reader), self._out(writer))
            finally:
                await self._engine.close()

    async def _in(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE):
            await self._engine.write(piece)

    async def _out(self, writer: asyncio.StreamWriter) -> None:
        while piece := await self._engine.read():
            writer.write(piece)
            await writer.drain()
