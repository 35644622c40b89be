"""The peer: JupyterHub does the same job, with the same image, on the same engine.

An anonymous visitor clicks once, gets a container of its own, and the click ends when the
application's page has come through the hub's proxy: JupyterHub with DockerSpawner,
TmpAuthenticator and configurable-http-proxy, set up as in `jupyterhub_config.py`.

    python -m benchmarks.jupyterhub.peer [--runs 10]
"""

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import docker
import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.cold_start import bare_engine, summary
from benchmarks.jupyterhub.environment import HERE, HubUnavailable, installed
from orchestrator.catalog import load_catalog
from tests.e2e.stack import ROOT

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


@contextmanager
def running_hub(
    folder: Path,
    *,
    port: int,
    image: str,
    app_port: int = 8080,
    text: str = "Hello",
    name: str = "distros-hub",
    database: str = "sqlite:///:memory:",
    engine_threads: int = 8,
) -> Iterator[Hub]:
    """JupyterHub and its proxy, healthy; all that was started is gone on leaving.

    `folder` keeps what is installed, so that the next time takes a moment, and the logs. The site
    is on `port` of 127.0.0.1, the hub and the proxy's API on the two next. `text` stands in the
    application's page. `name` begins those of the network and the containers, one hub per name.
    Raises `HubUnavailable` where JupyterHub cannot be installed or does not start.
    """
    for needed in (port, port + 1, port + 2):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", needed)) == 0:
                raise HubUnavailable(f"JupyterHub needs port {needed}, and it is taken.")
    environment = installed(folder)
    home = folder / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    client = docker.APIClient(version="auto", timeout=PATIENCE)
    hub = Hub(name, port, f"{name}-visitors", home / "log", text, secrets.token_hex(32), client)
    variables = os.environ | {
        "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(32),
        "HUB_API_TOKEN": hub.token,
        "HUB_APP_PORT": str(app_port),
        "HUB_DATABASE": database,
        "HUB_ENGINE_THREADS": str(engine_threads),
        "HUB_IMAGE": image,
        "HUB_INNER_PORT": str(port + 1),
        "HUB_NAME": name,
        "HUB_NETWORK": hub.network,
        "HUB_PORT": str(port),
        "HUB_PROXY_API_PORT": str(port + 2),
        "NODE_ENV": "production",
    }
    listen = ["--ip=127.0.0.1", f"--port={port}", "--api-ip=127.0.0.1", f"--api-port={port + 2}"]
    target = f"--default-target=http://127.0.0.1:{port + 1}"
    errors = f"--error-target=http://127.0.0.1:{port + 1}/hub/error"
    proxy = [*environment.proxy, *listen, target, errors, "--log-level=warn"]
    config = HERE / "jupyterhub_config.py"
    with ExitStack() as leaving:
        leaving.callback(client.close)
        leaving.callback(remove_leftovers, hub)
        remove_leftovers(hub)
        client.create_network(hub.network, driver="bridge", labels={LABEL: name})
        log = leaving.enter_context(hub.log.open("w"))
        for command in (proxy, [*environment.jupyterhub, f"--config={config}"]):
            process = subprocess.Popen(
                command, cwd=home, env=variables, stdout=log, stderr=log, start_new_session=True
            )
            leaving.callback(end, process)
        until_healthy(hub, process)
        yield hub


def until_healthy(hub: Hub, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + PATIENCE
    # The hub first: the proxy logs each question that it cannot pass on.
    for port in (hub.port + 1, hub.port):
        health = f"http://127.0.0.1:{port}/hub/health"
        while not answers(health):
            if process.poll() is not None or time.monotonic() > give_up:
                raise HubUnavailable(f"JupyterHub did not become healthy: see {hub.log}.")
            time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """First it may stop its servers itself; then its whole session goes."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


def remove_leftovers(hub: Hub) -> None:
    """Containers, then the network; also those of a hub that was killed."""
    mine = {"label": f"{LABEL}={hub.name}"}
    for container in hub.engine.containers(all=True, filters=mine):
        # Gone meanwhile, or its removal is in progress: `until_none` waits for that.
        with suppress(docker.errors.APIError):
            hub.engine.remove_container(container["Id"], force=True, v=True)
    until_none(hub.engine, mine)
    for network in hub.engine.networks(filters=mine):
        hub.engine.remove_network(network["Id"])


def until_none(engine: docker.APIClient, filters: dict[str, Any]) -> None:
    give_up = time.monotonic() + PATIENCE
    while left := engine.containers(all=True, quiet=True, filters=filters):
        if time.monotonic() > give_up:
            raise RuntimeError(f"{len(left)} containers are still there after {PATIENCE} s")
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="clicks (default 10)")
    parser.add_argument("--port", type=int, default=28280, help="the first of three free ports")
    parser.add_argument("--folder", type=Path, default=ROOT / ".state/jupyterhub")
    options = parser.parse_args()
    hello = load_catalog(ROOT / "distributions").get("hello")
    client = docker.APIClient(version="auto", timeout=PATIENCE)
    bare, clicks = [], []
    try:
        with (
            running_hub(options.folder, port=options.port, image=hello.image.ref) as hub,
            httpx.Client(trust_env=False, timeout=5) as browser,
        ):
            for run in range(options.runs + 1):
                reference, click = bare_engine(client, browser, hello, hub.network), hub.click()
                if run > 0:  # both sides have warm caches after the first
                    bare.append(reference)
                    clicks.append(click)
    except HubUnavailable as why:
        sys.exit(str(why))
    table = Table("image", "bare engine", "JupyterHub", "ratio")
    ratio = statistics.median(clicks) / statistics.median(bare)
    table.add_row(hello.slug, summary(bare), summary(clicks), f"{ratio:.2f}")
    Console(width=100).print(table)
    print("Medians in seconds (90th percentile in brackets).")


if __name__ == "__main__":
    main()
