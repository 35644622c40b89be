"""A running JupyterHub as its visitors see it: one click, and the application's page."""

import json
import re
import ssl
import time
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import docker
import httpx

PATIENCE = 60  # seconds, for a click, for a start of the hub and for its end
LABEL = "distros.benchmark"  # on what a hub creates, with its name
PROGRESS_URL = re.compile(r"""EventSource\(["']([^"']+)["']\)""")


@dataclass(frozen=True)
class Visit:
    """A finished click: `seconds` from the first request to the page; whose server it is."""

    user: str
    seconds: float


@dataclass(frozen=True)
class Hub:
    """A running JupyterHub. Its methods may be called from many threads at once."""

    name: str
    port: int
    network: str
    log: Path
    text: str
    token: str = field(repr=False)
    engine: docker.APIClient = field(repr=False)
    # Made once: loading certificates takes a client 20 ms.
    tls: ssl.SSLContext = field(repr=False, default_factory=ssl.create_default_context)

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers=headers,
            timeout=PATIENCE,
            trust_env=False,
            verify=self.tls,
        )

    def visit(self) -> Visit:
        """A visitor without cookies clicks; the server then runs until `stop`."""
        with self.client(Accept="text/html") as browser:
            started = time.perf_counter()
            page = browser.get("/hub/tmplogin", follow_redirects=True)
            if "/spawn-pending/" in page.url.path:
                page = browser.get(self.until_ready(browser, page), follow_redirects=True)
            seconds = time.perf_counter() - started
        arrived = re.fullmatch(r"/user/([^/]+)/.*", page.url.path)
        if not arrived or page.status_code != 200 or self.text not in page.text:
            raise RuntimeError(f"{page.url.path} answered {page.status_code}: see {self.log}")
        return Visit(arrived[1], seconds)

    def until_ready(self, browser: httpx.Client, pending: httpx.Response) -> str:
        """Where to go, once the pending page's own event stream says that the server is there."""
        stream = PROGRESS_URL.search(pending.text)
        if not stream:
            raise RuntimeError(f"{pending.url.path} has no progress: see {self.log}")
        accept = {"Accept": "text/event-stream"}
        with browser.stream("GET", unescape(stream[1]), headers=accept) as events:
            for line in events.iter_lines():
                event = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if event.get("failed"):
                    raise RuntimeError(f"{event.get('message')}: see {self.log}")
                if event.get("ready"):
                    return str(event["url"])
        raise RuntimeError(f"{pending.url.path}: the progress ended early, see {self.log}")

    def click(self) -> float:
        """Seconds of a `visit`, whose server is gone afterwards."""
        visit = self.visit()
        self.stop(visit.user)
        return visit.seconds

    def stop(self, user: str) -> None:
        """Ends that visitor's server and forgets the visitor; returns when the container is gone.

        So that its removal does not slow down whatever is measured next.
        """
        with self.client(Authorization=f"token {self.token}") as api:
            answer = api.delete(f"/hub/api/users/{user}")
        if answer.status_code not in (204, 404):
            raise RuntimeError(f"{user}'s server stays: {answer.status_code} {answer.text}")
        theirs = [f"{LABEL}={self.name}", f"distros.visitor={user}"]
        until_none(self.engine, {"label": theirs})

    def clear(self) -> None:
        """Ends the servers of all visitors."""
        with self.client(Authorization=f"token {self.token}") as api:
            users = api.get("/hub/api/users").raise_for_status().json()
        for user in users:
            self.stop(user["name"])


def until_none(engine: docker.APIClient, filters: dict[str, Any]) -> None:
    give_up = time.monotonic() + PATIENCE
    while left := engine.containers(all=True, quiet=True, filters=filters):
        if time.monotonic() > give_up:
            raise RuntimeError(f"{len(left)} containers are still there after {PATIENCE} s")
        time.sleep(0.02)
