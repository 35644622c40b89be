"""The API from outside, as the `distros` command uses it.

Every call has a deadline. A name under `.localhost` is this machine, whatever the resolver says
(glibc knows only `localhost` itself): the client connects to 127.0.0.1 and keeps the Host header.
"""

import ipaddress
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from .domain.models import ENDED

Document = dict[str, Any]  # as the server sent it: a newer one may say more

PREFIX: Final = "/api/v1"
TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)  # seconds; a deletion may take five
COPY_TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)  # between two pieces; it is checked whole
STREAM_TIMEOUT: Final = httpx.Timeout(5.0, read=40.0)  # the server sends something every 15 s
RECONNECTS: Final = 10  # in a row, before a stream is given up
RECONNECT_PAUSE: Final = 1.0  # seconds


class ServerUnreachable(Exception):
    """Nothing answers there, or something that is not Distros."""


class WaitedTooLong(Exception):
    """A deadline of the caller's has passed."""


class Refused(Exception):
    """The server's problem document."""

    def __init__(self, problem: Document, retry_after: str | None = None) -> None:
        super().__init__(str(problem.get("detail", "The server refused.")))
        self.status = int(problem.get("status", 500))
        self.code = str(problem.get("code", ""))
        self.hint = str(problem["hint"]) if problem.get("hint") else None
        self.retry_after = retry_after  # seconds


class Client:
    """One server. Calls raise ServerUnreachable or Refused."""

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

    def distributions(self) -> list[Document]:
        return self._list("/distributions", "distributions")

    def launch(
        self, distribution: str, *, name: str | None = None, lifetime: int | None = None
    ) -> Document:
        """Returns at once; `changes` tells what becomes of it. `lifetime` in seconds."""
        asked: Document = {"distribution": distribution}
        if name is not None:
            asked["name"] = name
        if lifetime is not None:
            asked["lifetime"] = lifetime
        return _document(self._call("POST", f"{PREFIX}/instances", json=asked))

    def instances(self) -> list[Document]:
        return self._list("/instances", "instances")

    def pool(self) -> list[Document]:
        return self._list("/pool", "pool")

    def differences(self) -> Document:
        """And when all was compared."""
        return _document(self._call("GET", f"{PREFIX}/differences"))

    def instance(self, instance_id: str) -> Document:
        return _document(self._call("GET", _path(instance_id)))

    def renew(self, instance_id: str) -> Document:
        return _document(self._call("POST", _path(instance_id, "/renew")))

    def delete(self, instance_id: str) -> None:
        self._call("DELETE", _path(instance_id))

    def logs(self, instance_id: str) -> str:
        return self._call("GET", _path(instance_id, "/logs")).text

    def tokens(self) -> list[Document]:
        return self._list("/tokens", "tokens")

    def create_token(self, name: str, scope: str, expires_in: int | None) -> Document:
        """`expires_in` in seconds."""
        asked: Document = {"name": name, "scope": scope}
        if expires_in is not None:
            asked["expires_in"] = expires_in
        return _document(self._call("POST", f"{PREFIX}/tokens", json=asked))

    def revoke_token(self, token_id: str) -> None:
        self._call("DELETE", f"{PREFIX}/tokens/{quote(token_id, safe='')}")

    def bans(self) -> list[Document]:
        return self._list("/bans", "bans")

    def ban(self, target: Document) -> list[Document]:
        """`target` has one of visitor, address, distribution, instance, and may have a reason."""
        answer = _document(self._call("POST", f"{PREFIX}/bans", json=target))
        bans: list[Document] = answer["bans"]
        return bans

    def unban(self, ban_id: str) -> None:
        self._call("DELETE", f"{PREFIX}/bans/{quote(ban_id, safe='')}")

    def take_down(self, target: Document) -> Document:
        """`target` as for `ban`; with `ban` those who launched them are banned, too."""
        return _document(self._call("POST", f"{PREFIX}/takedowns", json=target))

    def pause(self, reason: str) -> Document:
        return _document(self._call("PUT", f"{PREFIX}/pause", json={"reason": reason}))

    def resume(self) -> None:
        self._call("DELETE", f"{PREFIX}/pause")

    def audit(self) -> list[Document]:
        return self._list("/audit", "entries")

    @contextmanager
    def backup(self) -> Iterator[Iterator[bytes]]:
        """The server's database of this moment, in pieces. Raises ServerUnreachable where it
        breaks off."""
        try:
            with self._http.stream("GET", f"{PREFIX}/backup", timeout=COPY_TIMEOUT) as response:
                if not response.is_success:
                    response.read()
                    _refuse(response)
                yield response.iter_bytes()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def restore(self, pieces: Iterator[bytes]) -> Document:
        """Puts a backup in the place of the server's database."""
        return _document(
            self._call("PUT", f"{PREFIX}/backup", content=pieces, timeout=COPY_TIMEOUT)
        )

    def health(self) -> None:
        """Returns where the server's process answers."""
        self._call("GET", "/healthz")

    def readiness(self) -> dict[str, str]:
        """`ok`, or a sentence, for each part that a launch needs."""
        response = self._send("GET", "/readyz")
        if response.status_code not in (200, 503):
            _refuse(response)
        checks = _document(response).get("checks")
        if not isinstance(checks, dict):
            raise _not_distros(response)
        return {str(name): str(said) for name, said in checks.items()}

    def changes(self, instance_id: str, *, deadline: float) -> Iterator[Document]:
        """How the instance stands, now and after each change, until it has ended.

        A stream that breaks off, as at a restart of the server, is opened again. Raises
        WaitedTooLong once the `deadline` (of `time.monotonic`) has passed; it may take 15 s more
        to be noticed.
        """
        failures = 0
        while True:
            try:
                for document in self._stream(instance_id, deadline):
                    failures = 0
                    yield document
                    if document["state"] in ENDED:
                        return
            except (ServerUnreachable, Refused) as error:
                failures += 1
                away = isinstance(error, ServerUnreachable) or error.status == 503
                if not away or failures > RECONNECTS:
                    raise
            time.sleep(RECONNECT_PAUSE)

    def _stream(self, instance_id: str, deadline: float) -> Iterator[Document]:
        try:
            with self._http.stream(
                "GET", _path(instance_id, "/events"), timeout=STREAM_TIMEOUT
            ) as response:
                if response.status_code != 200:
                    response.read()
                    _refuse(response)
                event = ""
                for line in response.iter_lines():
                    if time.monotonic() > deadline:
                        raise WaitedTooLong
                    field, _, value = line.partition(": ")
                    if field == "event":
                        event = value
                    elif field == "data" and event == "instance":
                        yield json.loads(value)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _list(self, path: str, key: str) -> list[Document]:
        response = self._call("GET", PREFIX + path)
        found = _document(response).get(key)
        if not isinstance(found, list):
            raise _not_distros(response)
        return found

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = self._send(method, path, **options)
        if not response.is_success:
            _refuse(response)
        return response

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
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


def _path(instance_id: str, below: str = "") -> str:
    return f"{PREFIX}/instances/{quote(instance_id, safe='')}{below}"


def _document(response: httpx.Response) -> Document:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _not_distros(response)
    return document


def _refuse(response: httpx.Response) -> None:
    """Raises Refused, or ServerUnreachable where it is not ours that answered."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        raise Refused(_document(response), response.headers.get("retry-after"))
    raise _not_distros(response)


def _not_distros(response: httpx.Response) -> ServerUnreachable:
    url, status = response.url.copy_with(path="/"), response.status_code
    if target := response.headers.get("location"):
        return ServerUnreachable(f"{url} leads on to {target}: use that address.")
    if status in (502, 503, 504):
        return ServerUnreachable(f"At {url} a proxy answers, but no service behind it ({status}).")
    return ServerUnreachable(f"At {url} it is not Distros that answers (status {status}).")
