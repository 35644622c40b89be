"""What every request gets: an id that its log lines carry, and one line when it is answered.

A connection whose request was answered before its body was read is closed, where much of it may
come: otherwise all of it would be read to no purpose. A little is read, because a client that is
cut off while it sends may miss the answer.

One that is still under way when the service must leave (its body has not come, say) is broken off:
with 503 where no answer has begun.
"""

import asyncio
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .services import services

log = structlog.get_logger(__name__)

HEADER = "X-Request-Id"
A_LITTLE = 1024**2  # bytes of a body that nobody wants to know
LEAVING = PlainTextResponse(
    "The service is being restarted. Try again in a few seconds.\n", 503, {"Retry-After": "5"}
)
UNLOGGED = ("/healthz", "/readyz", "/static/")


class RequestLog:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = uuid.uuid4().hex[:16]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        started = time.perf_counter()
        answered = False
        unread = _may_send_much(scope)

        async def take() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                if unread:
                    headers["Connection"] = "close"
                if not scope["path"].startswith(UNLOGGED):
                    log.info(
                        "request",
                        method=scope["method"],
                        path=scope["path"],
                        status=message["status"],
                        ms=round((time.perf_counter() - started) * 1000, 1),
                    )
            await send(message)

        try:
            await self._app(scope, take, answer)
        except asyncio.CancelledError:
            if not services(Request(scope)).stopping.begun:
                raise
            log.warning("request broken off", path=scope["path"])
            if not answered:
                await LEAVING(scope, receive, answer)


def _may_send_much(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    announced = headers.get("content-length", "0")
    return "transfer-encoding" in headers or len(announced) > 7 or int(announced) > A_LITTLE
