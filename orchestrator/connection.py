"""How the `distros` command reaches a server: one request, or one answer that comes in pieces.

Every call has a deadline. A name under `.localhost` is this machine, whatever the resolver says
(glibc knows only `localhost` itself): the client connects to 127.0.0.1 and keeps the Host header.
"""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpx

Document = dict[str, Any]  # as the server sent it: a newer one may say more

TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)  # seconds; a deletion may take five


class ServerUnreachable(Exception):
    """Nothing answers there, or something that is not Distros."""


class Refused(Exception):
    """The server's problem document."""

    def __init__(self, problem: Document, retry_after: str | None = None) -> None:
        super().__init__(str(problem.get("detail", "The server refused.")))
        self.status = int(problem.get("status", 500))
        self.code = str(problem.get("code", ""))
        self.hint = str(problem["hint"]) if problem.get("hint") else None
        self.retry_after = retry_after  # seconds


class Connection:
    """To one server. Its calls raise ServerUnreachable or Refused."""

    def __init__(
        self, url: str, token: str | None = None, *, timeout: httpx.Timeout = TIMEOUT
    ) -> None:
        self.url = url.rstrip("/")
        local = is_loopback(httpx.URL(url).host)
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=timeout,
            transport=_ThisMachine() if local else None,
            trust_env=not local,  # HTTP_PROXY and the like are for the outside
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = self._send(method, path, **options)
        if not response.is_success:
            refuse(response)
        return response

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    @contextmanager
    def _stream(self, path: str, timeout: httpx.Timeout) -> Iterator[httpx.Response]:
        """An answer that is read while it comes; where it breaks off, too, it raises
        ServerUnreachable."""
        try:
            with self._http.stream("GET", path, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    refuse(response)
                yield response
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        reason = re.sub(r"^\[.*?\] ", "", str(error)) or type(error).__name__
        return ServerUnreachable(f"{self.url} cannot be reached: {reason}.")


class _ThisMachine(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if not host.endswith(".localhost"):
            return super().handle_request(request)
        return super().handle_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1"),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions | {"sni_hostname": host},
            )
        )


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def document_in(response: httpx.Response) -> Document:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise not_distros(response)
    return document


def refuse(response: httpx.Response) -> None:
    """Raises Refused, or ServerUnreachable where it is not ours that answered."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        raise Refused(document_in(response), response.headers.get("retry-after"))
    raise not_distros(response)


def not_distros(response: httpx.Response) -> ServerUnreachable:
    url, status = response.url.copy_with(path="/"), response.status_code
    if target := response.headers.get("location"):
        return ServerUnreachable(f"{url} leads on to {target}: use that address.")
    if status in (502, 503, 504):
        return ServerUnreachable(f"At {url} a proxy answers, but no service behind it ({status}).")
    return ServerUnreachable(f"At {url} it is not Distros that answers (status {status}).")
