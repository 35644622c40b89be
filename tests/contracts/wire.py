"""A socket between an engine and Docker that a test can cut, close or make deaf."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

DOCKER_SOCKET = "/var/run/docker.sock"


class Wire:
    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.refusing = False  # closes every new connection at once
        self.deaf = False  # takes new connections, and never answers
        self.requests: list[str] = []  # the first line of each, of all connections
        self._open: set[asyncio.Task[None]] = set()
        self._frozen: set[asyncio.Task[None]] = set()

    async def open_connections(self) -> int:
        return len(self._open)

    async def event_streams(self) -> int:
        """Event streams that were asked for so far."""
        return sum("/events?" in request for request in self.requests)

    def freeze(self) -> None:
        """The connections that exist now stay open, and carry nothing any more."""
        self._frozen |= self._open

    async def cut(self) -> None:
        for task in self._open.copy():
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                if self.deaf:
                    await reader.read()
                elif not self.refusing:
                    await self._relay(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(DOCKER_SOCKET)
        connection = asyncio.current_task()
        there = asyncio.create_task(self._copy(connection, reader, far_writer, requests=True))
        back = asyncio.create_task(self._copy(connection, far_reader, writer))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            far_writer.close()

    async def _copy(
        self,
        connection: asyncio.Task[None] | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        requests: bool = False,
    ) -> None:
        while (data := await reader.read(65536)) or connection in self._frozen:
            if connection in self._frozen:
                await asyncio.Event().wait()
            if requests:
                self.requests.append(data.partition(b"\r\n")[0].decode(errors="replace"))
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def open_wire(folder: Path) -> AsyncIterator[Wire]:
    wire = Wire(folder / "wire.sock")
    server = await asyncio.start_unix_server(wire.serve, str(folder / "wire.sock"))
    try:
        yield wire
    finally:
        server.close()
        await wire.cut()
