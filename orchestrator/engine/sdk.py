"""Docker's SDK, made safe for asyncio.

The SDK blocks, and its client is not thread-safe. So calls run in a small pool of threads, each
with a client of its own, made at the first call: a service starts even when the engine is away.
Streams have a thread and a client to themselves (`stream.py`).

Everything has a deadline. A call that passes it raises EngineUnavailable at once; its thread
follows when the socket's own timeout, the same number of seconds, runs out.

Errors are translated here and nowhere else:

- unreachable, silent or cut off, or a gateway's 502, 503 or 504 → EngineUnavailable
- 404 → NotFound, of an image → ImageNotFound; 409 → Conflict (all three are EngineErrors)
- every other refusal → EngineError with Docker's own message
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import docker
import docker.errors
import requests
import urllib3.exceptions

from ..domain.engine_errors import EngineError
from ..domain.outages import EngineUnavailable

T = TypeVar("T")


class NotFound(EngineError):
    """The engine answered that the thing does not exist."""


class ImageNotFound(NotFound):
    pass


class Conflict(EngineError):
    """A name is taken, or the same thing is being done already."""


class Client(docker.APIClient):
    """The SDK's client, with a timeout on streams too (the SDK passes none), and no HTTP proxy."""

    def __init__(self, url: str, *, timeout: float, silence: float | None = None) -> None:
        """`timeout`: seconds to connect, and between two reads of a call; `silence`: between two
        reads of a stream. Raises where the engine cannot be asked for its API version."""
        self._silence = silence or timeout
        super().__init__(base_url=url, version="auto", timeout=timeout)  # type: ignore[arg-type]

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (self.timeout, self._silence)
        kwargs["proxies"] = {}  # HTTP_PROXY is for the internet, not for the engine's socket
        return super().send(request, **kwargs)

    def fetch(self, path: str, **parameters: int | str) -> bytes:
        """The body of a GET, as it comes, for a call of which the SDK makes more than one, or does
        not know all."""
        url = f"{self.base_url}/v{self.api_version}{path}"
        response = self.get(url, params=parameters)
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            docker.errors.create_api_error_from_http_exception(error)
        return response.content


class Sdk:
    """Runs the SDK's calls for one engine.

    `url` as Docker writes it (unix://… or tcp://…); `timeout` in seconds, for each call.
    """

    def __init__(self, url: str, *, timeout: float, threads: int = 8) -> None:
        self.url = url
        self.timeout = timeout
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._local = threading.local()
        self._clients: set[Client] = set()  # of all threads; close() needs them

    async def call(self, function: Callable[[Client], T]) -> T:
        """`function(client)`, in a thread. It should make one request, or a few."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeout):
                return await loop.run_in_executor(self._pool, self._run, function)
        except TimeoutError as error:
            raise EngineUnavailable(_SILENT) from error

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.copy():
            client.close()

    def connect(self, *, silence: float | None = None) -> Client:
        return Client(self.url, timeout=self.timeout, silence=silence)

    def _run(self, function: Callable[[Client], T]) -> T:
        try:
            client: Client | None = getattr(self._local, "client", None)
            if client is None:
                client = self._local.client = self.connect()
                self._clients.add(client)
            return function(client)
        except Exception as error:
            translated = translate(error)
            if isinstance(translated, EngineUnavailable):
                self._forget_client()
            raise translated from error

    def _forget_client(self) -> None:
        """The engine that comes back may be another version: negotiate anew."""
        client: Client | None = getattr(self._local, "client", None)
        if client is not None:
            del self._local.client
            self._clients.discard(client)
            client.close()


_SILENT = "The Docker Engine does not answer in time."
_GATEWAY_ERRORS = {502, 503, 504}  # a socket proxy answers so while the engine behind it is away


def translate(error: Exception) -> Exception:
    """The domain's error for one of the SDK's; anything else, a mistake of ours, is left alone."""
    match error:
        case docker.errors.APIError():
            return _refusal(error)
        case requests.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return EngineUnavailable(_SILENT)
        case OSError() | urllib3.exceptions.HTTPError():  # requests' errors are OSErrors
            return EngineUnavailable(f"The Docker Engine cannot be reached{_reason(error)}.")
        case docker.errors.DockerException():
            # What goes wrong while the version is negotiated comes wrapped.
            if isinstance(error.__cause__, Exception):
                return translate(error.__cause__)
            return EngineError(f"{error}")
    return error


def _refusal(error: docker.errors.APIError) -> Exception:
    status = error.response.status_code if error.response is not None else None
    message = str(error.explanation or error).strip()
    if status in _GATEWAY_ERRORS:
        return EngineUnavailable("The Docker Engine cannot be reached.")
    if isinstance(error, docker.errors.ImageNotFound):
        return ImageNotFound(message)
    if isinstance(error, docker.errors.NotFound):
        return NotFound(message)
    return Conflict(message) if status == 409 else EngineError(message)


def _reason(error: BaseException) -> str:
    """Such as " (connection refused)": the system's error, below all that wraps it."""
    reason = ""
    seen: BaseException | None = error
    while seen is not None:
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        if isinstance(seen, OSError) and isinstance(seen.strerror, str):
            reason = f" ({seen.strerror.lower()})"
        seen = inner or seen.__cause__ or seen.__context__
    return reason
