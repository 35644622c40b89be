"""A stream of the engine's (events, pull, build) as an async generator.

Each has a thread and a client of its own: a stream occupies both for as long as it lasts. The
thread is a daemon, so that one caught in a dead connection cannot hold up the service's exit.

Closing the generator, or cancelling whoever waits for it, shuts the socket down: the blocked read
returns, the thread closes response and client and ends. For a pull or build this is also how the
engine learns that nobody wants it any more.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import requests

from .sdk import Client, Sdk, translate

Line = dict[str, Any]

_JOIN_SECONDS: Final = 2.0  # how long closing waits for the thread; it takes milliseconds


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


async def stream(
    sdk: Sdk, request: Callable[[Client], Iterable[Line]], *, silence: float
) -> AsyncGenerator[Line, None]:
    """The decoded lines of `request(client)`; no line for `silence` seconds breaks it off.

    Ends when the engine ends it. Raises what `sdk.translate` makes of an error.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Line | _End] = asyncio.Queue()

    def deliver(item: Line | _End) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody listens
            loop.call_soon_threadsafe(arrived.put_nowait, item)

    reader = _Reader(lambda: sdk.connect(silence=silence), request, deliver)
    reader.start()
    try:
        while not isinstance(item := await arrived.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        reader.stop()
        await asyncio.to_thread(reader.join, _JOIN_SECONDS)


class _Reader(threading.Thread):
    def __init__(
        self,
        connect: Callable[[], Client],
        request: Callable[[Client], Iterable[Line]],
        deliver: Callable[[Line | _End], None],
    ) -> None:
        super().__init__(name="engine-stream", daemon=True)
        self._connect = connect
        self._request = request
        self._deliver = deliver
        self._response: requests.Response | None = None
        self._stopped = False

    def run(self) -> None:
        try:
            self._read()
        except Exception as error:
            self._deliver(_End(translate(error)))
        else:
            self._deliver(_End(None))

    def _read(self) -> None:
        with contextlib.closing(self._connect()) as client:
            # The SDK keeps the response of a pull or build to itself; requests shows it to hooks.
            client.hooks["response"].append(self._opened)
            try:
                for line in self._request(client):
                    self._deliver(line)
                    if self._stopped:
                        break
            finally:
                if self._response is not None:
                    self._response.close()

    def _opened(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._response = response
        if self._stopped:  # stop() came too early to see the response
            raise ConnectionAbortedError("The stream was closed while it was being opened.")

    def stop(self) -> None:
        """From any thread: makes a blocked read return."""
        self._stopped = True
        if self._response is not None:
            with contextlib.suppress(Exception):  # it has ended by itself
                self._response.raw.shutdown()
