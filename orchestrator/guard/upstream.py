"""The Docker Engine behind the guard.

Every call has a deadline: 5 s to connect, then 2 minutes for an answer (the orchestrator gives up
before), or 15 for the next bytes of a stream, which may be silent for long: Traefik's and the
orchestrator's own deadlines are shorter. A stream whose reader has gone is closed, so that the
engine hears of it. A terminal's connection may be silent for as long as both ends hold it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..engine.connection import UPGRADE, Connection

CONNECT: Final = 5.0  # seconds
ANSWER: Final = 120.0
SILENCE: Final = 15 * 60.0

# What the engine says beside the body; the rest is about its own connection.
_KEPT_HEADERS: Final = ("content-type", "content-length", "date", "server", "api-version", "ostype")


class Upstream:
    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://docker", trust_env=False
        )

    @classmethod
    def at(cls, socket: str) -> "Upstream":
        """`socket` is a path. As many connections as the guard has: streams hold theirs."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        return cls(httpx.AsyncHTTPTransport(uds=socket, limits=limits))

    async def ask(self, method: str, path: str, *, body: Any = None) -> httpx.Response:
        """The whole answer. Raises httpx.HTTPError."""
        timeout = httpx.Timeout(ANSWER, connect=CONNECT)
        return await self._client.request(method, path, json=body, timeout=timeout)

    async def stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: AsyncIterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float = SILENCE,
    ) -> "Relay":
        """The answer as it comes, while `body` is sent as it comes. Raises httpx.HTTPError."""
        request = self._client.build_request(
            method,
            path,
            params=dict(query),
            headers=headers,
            timeout=httpx.Timeout(silence, connect=CONNECT),
            content=body,
        )
        return Relay(await self._client.send(request, stream=True))

    async def take_over(self, path: str, body: Any) -> "Connection | Relay":
        """A connection of the engine's, or its answer where it hands none over.

        Raises httpx.HTTPError.
        """
        timeout = httpx.Timeout(ANSWER, connect=CONNECT)
        request = self._client.build_request(
            "POST", path, json=body, headers=UPGRADE, timeout=timeout
        )
        answer = await self._client.send(request, stream=True)
        handed_over = answer.status_code == httpx.codes.SWITCHING_PROTOCOLS
        return Connection(answer) if handed_over else Relay(answer)

    async def close(self) -> None:
        await self._client.aclose()


class Relay(StreamingResponse):
    """An engine's answer, byte for byte."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        super().__init__(answer.aiter_raw(), answer.status_code, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._answer.aclose()
