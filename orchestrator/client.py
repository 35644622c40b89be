"""The API from outside, as the `distros` command uses it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

import httpx

from .connection import (
    Connection,
    Document,
    Refused,
    ServerUnreachable,
    document_in,
    not_distros,
    refuse,
)
from .domain.models import ENDED

PREFIX: Final = "/api/v1"
COPY_TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)  # between two pieces; it is checked whole
STREAM_TIMEOUT: Final = httpx.Timeout(5.0, read=40.0)  # the server sends something every 15 s
RECONNECTS: Final = 10  # in a row, before a stream is given up
RECONNECT_PAUSE: Final = 1.0  # seconds


class WaitedTooLong(Exception):
    """A deadline of the caller's has passed."""


class Client(Connection):
    """One server. Calls raise ServerUnreachable or Refused."""

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
        return document_in(self._call("POST", f"{PREFIX}/instances", json=asked))

    def instances(self) -> list[Document]:
        return self._list("/instances", "instances")

    def pool(self) -> list[Document]:
        return self._list("/pool", "pool")

    def differences(self) -> Document:
        """And when all was compared."""
        return document_in(self._call("GET", f"{PREFIX}/differences"))

    def instance(self, instance_id: str) -> Document:
        return document_in(self._call("GET", _path(instance_id)))

    def renew(self, instance_id: str) -> Document:
        return document_in(self._call("POST", _path(instance_id, "/renew")))

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
        return document_in(self._call("POST", f"{PREFIX}/tokens", json=asked))

    def revoke_token(self, token_id: str) -> None:
        self._call("DELETE", f"{PREFIX}/tokens/{quote(token_id, safe='')}")

    def bans(self) -> list[Document]:
        return self._list("/bans", "bans")

    def ban(self, target: Document) -> list[Document]:
        """`target` has one of visitor, address, distribution, instance, and may have a reason."""
        answer = document_in(self._call("POST", f"{PREFIX}/bans", json=target))
        bans: list[Document] = answer["bans"]
        return bans

    def unban(self, ban_id: str) -> None:
        self._call("DELETE", f"{PREFIX}/bans/{quote(ban_id, safe='')}")

    def take_down(self, target: Document) -> Document:
        """`target` as for `ban`; with `ban` those who launched them are banned, too."""
        return document_in(self._call("POST", f"{PREFIX}/takedowns", json=target))

    def pause(self, reason: str) -> Document:
        return document_in(self._call("PUT", f"{PREFIX}/pause", json={"reason": reason}))

    def resume(self) -> None:
        self._call("DELETE", f"{PREFIX}/pause")

    def audit(self) -> list[Document]:
        return self._list("/audit", "entries")

    @contextmanager
    def backup(self) -> Iterator[Iterator[bytes]]:
        """The server's database of this moment, in pieces. Raises ServerUnreachable where it
        breaks off."""
        with self._stream(f"{PREFIX}/backup", COPY_TIMEOUT) as response:
            yield response.iter_bytes()

    def restore(self, pieces: Iterator[bytes]) -> Document:
        """Puts a backup in the place of the server's database."""
        return document_in(
            self._call("PUT", f"{PREFIX}/backup", content=pieces, timeout=COPY_TIMEOUT)
        )

    def health(self) -> None:
        """Returns where the server's process answers."""
        self._call("GET", "/healthz")

    def readiness(self) -> dict[str, str]:
        """`ok`, or a sentence, for each part that a launch needs."""
        response = self._send("GET", "/readyz")
        if response.status_code not in (200, 503):
            refuse(response)
        checks = document_in(response).get("checks")
        if not isinstance(checks, dict):
            raise not_distros(response)
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
                for document in self._events(instance_id, deadline):
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

    def _events(self, instance_id: str, deadline: float) -> Iterator[Document]:
        with self._stream(_path(instance_id, "/events"), STREAM_TIMEOUT) as response:
            event = ""
            for line in response.iter_lines():
                if time.monotonic() > deadline:
                    raise WaitedTooLong
                field, _, value = line.partition(": ")
                if field == "event":
                    event = value
                elif field == "data" and event == "instance":
                    yield json.loads(value)

    def _list(self, path: str, key: str) -> list[Document]:
        response = self._call("GET", PREFIX + path)
        found = document_in(response).get(key)
        if not isinstance(found, list):
            raise not_distros(response)
        return found


def _path(instance_id: str, below: str = "") -> str:
    return f"{PREFIX}/instances/{quote(instance_id, safe='')}{below}"
