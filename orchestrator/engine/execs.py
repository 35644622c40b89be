"""Docker's exec calls, as far as a terminal needs them, and reading what a program writes.

They are made on asyncio, without the SDK, whose way to an exec's socket blocks a thread for each
direction and may lose the first bytes.

Every call has a deadline, but for what is read from a connection and written to it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Self

import httpx

from ..domain.engine_errors import EngineError
from ..domain.outages import EngineUnavailable
from .connection import UPGRADE, Connection
from .sdk import Conflict, NotFound

SILENCE: Final = 60.0  # seconds in which what is read may say nothing
_ERRORS: Final = {404: NotFound, 409: Conflict}


class Execs:
    def __init__(self, transport: httpx.AsyncBaseTransport, base_url: str, timeout: float) -> None:
        self._client = httpx.AsyncClient(
            transport=transport, base_url=base_url, trust_env=False, timeout=timeout
        )

    @classmethod
    def at(cls, url: str, *, timeout: float) -> Self:
        """`url` as Docker writes it; `timeout` in seconds, for each call."""
        scheme, _, place = url.partition("://")
        socket = f"/{place.lstrip('/')}" if scheme == "unix" else None
        transport = httpx.AsyncHTTPTransport(uds=socket, limits=httpx.Limits(max_connections=None))
        return cls(transport, "http://docker" if socket else f"http://{place}", timeout)

    async def create(self, container_id: str, document: Mapping[str, Any]) -> str:
        """The exec's id. Raises NotFound, Conflict (the container does not run)."""
        answer = await self._ask("POST", f"/containers/{container_id}/exec", document)
        exec_id: str = answer.json()["Id"]
        return exec_id

    async def start(self, exec_id: str) -> Connection:
        """With a terminal, and attached to it. Raises NotFound, Conflict."""
        request = self._client.build_request(
            "POST", f"/exec/{exec_id}/start", json={"Detach": False, "Tty": True}, headers=UPGRADE
        )
        try:
            answer = await self._client.send(request, stream=True)
            if answer.status_code == httpx.codes.SWITCHING_PROTOCOLS:
                return Connection(answer)
            await answer.aread()
        except httpx.HTTPError as error:
            raise _unavailable(error) from error
        raise _refusal(answer)

    async def read(self, exec_id: str) -> AsyncGenerator[bytes, None]:
        """Starts it without a terminal; what it writes, in Docker's frames. Raises NotFound,
        Conflict, and EngineUnavailable where nothing comes for SILENCE seconds."""
        start = {"Detach": False, "Tty": False}
        timeout = httpx.Timeout(SILENCE, connect=self._client.timeout.connect)
        try:
            async with self._client.stream(
                "POST", f"/exec/{exec_id}/start", json=start, timeout=timeout
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _refusal(answer)
                async for piece in answer.aiter_raw():
                    yield piece
        except httpx.HTTPError as error:
            raise _unavailable(error) from error

    async def start_detached(self, exec_id: str) -> None:
        await self._ask("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": False})

    async def resize(self, exec_id: str, rows: int, columns: int) -> None:
        await self._ask("POST", f"/exec/{exec_id}/resize?h={rows}&w={columns}")

    async def exit_code(self, exec_id: str) -> int | None:
        """None while it runs."""
        found = (await self._ask("GET", f"/exec/{exec_id}/json")).json()
        code: int | None = None if found["Running"] else found["ExitCode"]
        return code

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, json=document)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer


def _unavailable(error: httpx.HTTPError) -> EngineUnavailable:
    if isinstance(error, httpx.TimeoutException):
        return EngineUnavailable("The Docker Engine does not answer in time.")
    return EngineUnavailable("The Docker Engine cannot be reached.")


def _refusal(answer: httpx.Response) -> Exception:
    if answer.status_code in (502, 503, 504):  # from the guard, while the engine is away
        return EngineUnavailable("The Docker Engine cannot be reached.")
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.text
    return _ERRORS.get(answer.status_code, EngineError)(str(message).strip())
