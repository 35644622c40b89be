"""The peer: JupyterHub does the same job, with the same image, on the same engine.

An anonymous visitor clicks once, gets a container of its own, and the click ends when the
application's page has come through the hub's proxy: JupyterHub with DockerSpawner,
TmpAuthenticator and configurable-http-proxy, set up as in `jupyterhub_config.py`.

    python -m benchmarks.jupyterhub.peer [--runs 10]
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import docker
import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.bare import bare_engine
from benchmarks.figures import summary
from benchmarks.jupyterhub.environment import HERE, HubUnavailable, installed
from benchmarks.jupyterhub.hub import LABEL, PATIENCE, Hub, Visit, until_none
from orchestrator.catalog import load_catalog
from tests.e2e.stack import ROOT

__all__ = ["Hub", "HubUnavailable", "Visit", "running_hub"]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="clicks (default 10)")
    parser.add_argument("--port", type=int, default=28280, help="the first of three free ports")
    parser.add_argument("--folder", type=Path, default=ROOT / ".state/jupyterhub")
    options = parser.parse_args()
    hello = load_catalog(ROOT / "distributions").get("hello")
    bare, clicks = [], []
    try:
        with (
            running_hub(options.folder, port=options.port, image=hello.image.ref) as hub,
            httpx.Client(trust_env=False, timeout=5) as browser,
        ):
            for run in range(options.runs + 1):
                reference, click = bare_engine(browser, hello, hub.network), hub.click()
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
