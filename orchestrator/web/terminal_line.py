"""A terminal's WebSocket: what goes over it, and what is said at its end.

Binary messages are what is typed, and what the shell says. Text messages are JSON: from the page
its size (`{"rows": 24, "columns": 80}`) and how many bytes it has drawn (`{"drawn": 4096}`); to the
page the lease's new end (`{"expires_at": "…"}`), and at last, before the connection is closed, why
(`{"ended": "idle", "again": "ask", "sentence": "…", "next": "…"}`). `again` says what the page does
then: "soon", it connects anew by itself; "ask", when it is told to; "never".
"""

import asyncio
import contextlib
from datetime import datetime
from typing import Annotated, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ..domain.errors import Banned, DistrosError
from ..domain.models import Caller, Instance
from ..domain.outages import Unavailable
from ..engine.base import TerminalSize
from ..service.terminals import Drawn, End, Ending, Session, Typed
from . import words
from .errors import status_of
from .services import Services
from .templates import texts_of
from .texts import Texts

LONGEST: Final = 16 * 1024  # bytes of a message from the page; the page sends shorter ones
LONGEST_SIGNAL: Final = 200
FAREWELL: Final = 2.0  # seconds in which the last words are sent
TOLD: Final = 4000  # close codes: the last words said why
UNREADABLE: Final = 1008

_AGAIN: Final = {
    End.EXITED: "ask",
    End.IDLE: "ask",
    End.OVER: "never",
    End.BANNED: "never",
    End.SIGNED_OUT: "never",
    End.LEAVING: "soon",
    End.CUT: "soon",
}

log = structlog.get_logger(__name__)


class _Signal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Size(_Signal):
    rows: Annotated[int, Field(ge=1, le=500)]
    columns: Annotated[int, Field(ge=1, le=1000)]


class _Drawn(_Signal):
    drawn: Annotated[int, Field(ge=0, le=2**31)]


_SIGNALS: Final = TypeAdapter[_Size | _Drawn](_Size | _Drawn)


class Line:
    """The visitor's end, for `Terminals.serve`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> Typed | Drawn | TerminalSize | None:
        """What cannot be understood ends it."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        typed, text = message.get("bytes"), message.get("text")
        if typed is not None and len(typed) <= LONGEST:
            return Typed(typed)
        try:
            if text is not None and len(text) <= LONGEST_SIGNAL:
                return _understood(text)
        except ValidationError:
            pass
        await self._socket.close(UNREADABLE)
        return None

    async def show(self, output: bytes) -> None:
        with contextlib.suppress(WebSocketDisconnect):  # `receive` tells
            await self._socket.send_bytes(output)

    async def tell_end(self, expires_at: datetime) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            await self._socket.send_json({"expires_at": expires_at.isoformat()})

    async def close(self, ended: str, again: str, sentence: str, hint: str) -> None:
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        last = {"ended": ended, "again": again, "sentence": sentence, "next": hint}
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._socket.send_json(last)
                await self._socket.close(TOLD)


def _understood(text: str) -> Drawn | TerminalSize:
    """Raises ValidationError."""
    signal = _SIGNALS.validate_json(text)
    if isinstance(signal, _Size):
        return TerminalSize(signal.rows, signal.columns)
    return Drawn(signal.drawn)


async def refuse(socket: WebSocket, error: DistrosError) -> None:
    """Before it was opened, by the status that a page would get."""
    status = status_of(error)
    log.info("terminal refused", code=error.code, status=status, path=socket.url.path)
    text = f"{error.message} {error.hint}\n"
    await socket.send_denial_response(PlainTextResponse(text, status))


async def serve(
    socket: WebSocket,
    svc: Services,
    caller: Caller,
    instance: Instance,
    command: tuple[str, ...],
    session: Session | None = None,
) -> str:
    """From the opening of the connection to its end; says how it went, for the record."""
    t = texts_of(socket)
    await socket.accept()
    line = Line(socket)
    try:
        with svc.metrics.while_open("terminals"):
            ending = await svc.terminals.serve(caller, instance, command, line, session)
    except DistrosError as error:
        log.info("terminal refused", code=error.code, instance=instance.id)
        message, hint = words.told(t, error)
        await line.close(error.code, _again_after(error), message, hint)
        return error.code
    if ending.end is not End.LEFT:
        await line.close(ending.end, _AGAIN[ending.end], *_last_words(t, ending))
    return "ok"


def _again_after(error: DistrosError) -> str:
    if isinstance(error, Banned):
        return "never"
    return "soon" if isinstance(error, Unavailable) else "ask"


def _last_words(t: Texts, ending: Ending) -> tuple[str, str]:
    key = f"terminal.ended.{ending.end}"
    if ending.exit_code in (126, 127):  # of a shell, or of Docker where there is none
        key = "terminal.ended.no_shell"
    return t.plain(f"{key}.sentence"), t.plain(f"{key}.next")
