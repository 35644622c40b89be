"""A socket before the engine's, on which a test makes calls late, wrong, half or silent.

Each request gets a connection to the engine of its own, so that faults can be chosen by what is
asked for: a regular expression that is searched for in `METHOD /path` (without the version). Faults
are turned on and off at any time, and reach the streams that are open already.
"""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PIECE: Final = 64 * 1024
ALL: Final = ""  # matches every request


@dataclass(frozen=True, slots=True)
class Delay:
    """The engine hears of it that many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """The engine never hears of it; the answer is this."""

    status: int
    message: str = "a fault of the test's"


@dataclass(frozen=True, slots=True)
class Silent:
    """Half open: taken, and never answered. Open streams carry nothing any more."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """The engine does it, but its answer ends after so many bytes."""

    after: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is closed at once."""


Fault = Delay | Refuse | Silent | Truncate | Cut


@dataclass(slots=True)
class Call:
    """One request that came through; `status` once the engine has answered."""

    what: str  # METHOD /path
    query: str
    status: int | None = None


class FaultProxy:
    def __init__(self, path: Path, engine: Path) -> None:
        self.url = f"unix://{path}"
        self.calls: list[Call] = []
        self._path = path
        self._engine = engine
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._open: dict[asyncio.Task[None], Call | None] = {}
        self._loop = asyncio.new_event_loop()
        self._listening: Future[None] = Future()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._listening.result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)

    # -- what a test turns -----------------------------------------------------------------------

    @contextmanager
    def fault(self, fault: Fault, on: str = ALL) -> Iterator[None]:
        """For as long as the block lasts; the latest that matches counts."""
        entry = (re.compile(on), fault)
        self._faults.append(entry)
        try:
            yield
        finally:
            self._faults.remove(entry)

    def cut(self, on: str = ALL) -> int:
        """Closes the connections that are open now; how many."""

        async def cancel() -> int:
            chosen = [
                task
                for task, call in self._open.items()
                if call is not None and re.search(on, call.what)
            ]
            for task in chosen:
                task.cancel()
            await asyncio.gather(*chosen, return_exceptions=True)
            return len(chosen)

        return asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(10)

    def heal(self) -> None:
        self._faults.clear()

    def count(self, on: str, *, status: int | None = None) -> int:
        """Calls that matched so far."""
        return sum(
            bool(re.search(on, call.what)) and status in {None, call.status}
            for call in self.calls.copy()
        )

    # -- how it works ----------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._accept, str(self._path), backlog=1024)
        self._listening.set_result(None)
        await self._closing.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _fault_of(self, what: str) -> Fault | None:
        matching = (fault for on, fault in reversed(self._faults) if on.search(what))
        return next(matching, None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = None
        try:
            with contextlib.suppress(
                asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError
            ):
                await self._relay(task, reader, writer)
        finally:
            del self._open[task]
            writer.close()

    async def _relay(
        self,
        task: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        call = _call_of(head)
        self.calls.append(call)
        self._open[task] = call
        fault = self._fault_of(call.what)
        match fault:
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Refuse(status, message):
                call.status = status
                writer.write(_refusal(status, message))
                await writer.drain()
                return
            case Silent():
                await asyncio.Event().wait()
            case Cut():
                return
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._engine))
        # One request a connection: then the engine's answer ends where the connection does.
        far_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        sending = asyncio.create_task(_copy(reader, far_writer))
        try:
            await self._answer(call, far_reader, writer, fault)
        finally:
            sending.cancel()
            far_writer.close()

    async def _answer(
        self,
        call: Call,
        far_reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fault: Fault | None,
    ) -> None:
        left = fault.after if isinstance(fault, Truncate) else None
        while data := await far_reader.read(PIECE):
            if call.status is None:
                call.status = int(data.split(b" ", 2)[1])
            if isinstance(self._fault_of(call.what), Silent):
                await asyncio.Event().wait()
            if left is not None:
                data, left = data[:left], left - len(data)
            writer.write(data)
            await writer.drain()
            if left is not None and left <= 0:
                return


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()


def _call_of(head: bytes) -> Call:
    method, target, _ = head.split(b"\r\n", 1)[0].decode(errors="replace").split(" ")
    path, _, query = target.partition("?")
    return Call(f"{method} {re.sub(r'^/v[0-9.]+/', '/', path)}", query)


def _refusal(status: int, message: str) -> bytes:
    body = json.dumps({"message": message}).encode()
    head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@contextmanager
def fault_proxy(folder: Path, engine: Path) -> Iterator[FaultProxy]:
    """`engine` is the socket behind it."""
    proxy = FaultProxy(folder / "proxy.sock", engine)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
