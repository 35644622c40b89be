"""A whole stack for tests, beside any other on this machine; `scripts/up.sh` makes it."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
DISTROS = ROOT / ".venv/bin/distros"
LIMITS = (
    "DISTROS_LAUNCHES_PER_VISITOR",
    "DISTROS_LAUNCHES_PER_ADDRESS",
    "DISTROS_LAUNCHES_PER_NETWORK",
    "DISTROS_INSTANCES_PER_VISITOR",
    "DISTROS_INSTANCES_PER_ADDRESS",
)


@dataclass(frozen=True)
class Stack:
    name: str
    port: int
    admin_port: int
    admin_token: str
    env_file: Path

    @property
    def site_url(self) -> str:
        return f"http://distros.localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For the scripts and Compose."""
        return os.environ | {"DISTROS_ENV_FILE": str(self.env_file)}

    def api(self, *, admin: bool = True) -> httpx.Client:
        """A client of the API, through Traefik: the admin's token, or a visitor of its own."""
        headers = {"Host": f"distros.localhost:{self.port}"}
        if admin:
            headers["Authorization"] = f"Bearer {self.admin_token}"
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers=headers,
            timeout=60,
            trust_env=False,
        )

    def get(self, url: str, **how: Any) -> httpx.Response:
        """A page as a browser gets it: `*.localhost` is this machine."""
        parts = urlsplit(url)
        here = parts._replace(netloc=f"127.0.0.1:{parts.port}").geturl()
        headers = {"Accept": "text/html", "Host": parts.netloc} | how.pop("headers", {})
        return httpx.get(here, headers=headers, timeout=10, trust_env=False, **how)

    def distros(self, *words: str) -> Any:
        """What `distros … --json` prints."""
        done = subprocess.run(
            [DISTROS, *words, "--json"],
            env=os.environ | {"DISTROS_URL": self.site_url, "DISTROS_TOKEN": self.admin_token},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def launch(self, distribution: str, **body: Any) -> dict[str, Any]:
        """Launched and ready."""
        with self.api() as api:
            response = api.post(
                "/instances",
                json={"distribution": distribution} | body,
                headers={"Prefer": "wait=60"},
            )
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json()
        return document

    def show(self, instance_id: str) -> dict[str, Any]:
        with self.api() as api:
            document: dict[str, Any] = api.get(f"/instances/{instance_id}").json()
        return document

    def objects(self, kind: str, instance_id: str) -> list[str]:
        """Ids of the containers, volumes or networks that belong to an instance."""
        command = {"container": ["ps", "--all"]}.get(kind, [kind, "ls"])
        label = f"label=distros.instance={instance_id}"
        return docker(*command, "--quiet", "--filter", label).split()

    def until_removed(self, instance_id: str, *, timeout: float) -> datetime:
        """When the engine first had no container of it any more."""
        give_up = time.monotonic() + timeout
        while self.objects("container", instance_id):
            assert time.monotonic() < give_up, f"{instance_id} is still there"
            time.sleep(0.05)
        return datetime.now(UTC)

    def until_told_gone(self, url: str) -> httpx.Response:
        """The page that says so (410), within three seconds.

        Until the proxy has heard of the removal, some 100 ms, it finds nobody at the container's
        address, tries for a second (`dialTimeout`), and its errors middleware answers with a
        status of its own: 503, never the site.
        """
        give_up = time.monotonic() + 3
        while (page := self.get(url)).status_code == 503 and time.monotonic() < give_up:
            time.sleep(0.02)
        assert page.status_code == 410, page.text
        return page

    def script(self, name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / name],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )


def docker(*words: str, given: str | None = None) -> str:
    """What it prints; `given` is its standard input."""
    done = subprocess.run(
        ["docker", *words], input=given, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running_stack(
    folder: Path, *, name: str, port: int, subnet: str, **settings: str
) -> Iterator[Stack]:
    """`port` is the site's; the dashboards take the two next."""
    stack = Stack(name, port, port + 1, secrets.token_hex(32), folder / "env")
    configured = {
        "DISTROS_STACK": name,
        "DISTROS_STATE": str(folder / "state"),
        "DISTROS_NETWORK": f"{name}-sandbox",
        "DISTROS_SYNTHETIC_INTERVAL": "0s",  # tests count instances
        "DISTROS_SUBNET": subnet,
        "DISTROS_LISTEN": f"127.0.0.1:{port}",
        "DISTROS_ADMIN_LISTEN": f"127.0.0.1:{port + 1}",
        "DISTROS_PORTAINER_LISTEN": f"127.0.0.1:{port + 2}",
        "DISTROS_SITE_URL": stack.site_url,
        "DISTROS_INSTANCES_URL": f"http://sandbox.localhost:{port}",
        "DISTROS_SECRET_KEY": secrets.token_hex(32),
        "DISTROS_ADMIN_TOKEN": stack.admin_token,
        "DISTROS_CAPTCHA": "none",
        **dict.fromkeys(LIMITS, "0"),  # all visitors here come from one address
    } | settings
    stack.env_file.write_text("".join(f"{key}={value}\n" for key, value in configured.items()))
    try:
        up = stack.script("up.sh")
        assert up.returncode == 0, up.stdout + up.stderr
        yield stack
    finally:
        down = stack.script("down.sh")
        assert down.returncode == 0, down.stdout + down.stderr
