"""The real service and the real Traefik, as processes that a test starts, kills and restarts."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psutil

from orchestrator.failpoints import VARIABLE
from orchestrator.settings import ROOT

from .engine import SUBNET

STACK: Final = "distros-faults"
WEB_PORT: Final = 29080  # Traefik's public entrypoint
ADMIN_PORT: Final = 29081
PORT: Final = 29082  # the service itself
SITE: Final = f"distros.localhost:{WEB_PORT}"
TOKEN: Final = "f" * 32
PATIENCE: Final = 30.0  # seconds
# In the short form less is waited: for whoever works past the service, for a stream that is silent,
# for a call, for the next list.
HASTY: Final = {"DISTROS_ENGINE_TIMEOUT": "5s", "DISTROS_RELIST_INTERVAL": "5s"}
HASTE: Final = """
from datetime import timedelta
from orchestrator.engine import events
from orchestrator.service import reconciler
events.SLACK = 2.0
reconciler.GRACE = timedelta(seconds=3)
"""
# Only the process's own environment arms a failpoint; these processes are the tests' own, so they
# can be told while they run, which spares a start for each point.
ARMING: Final = """
import signal
from pathlib import Path
from orchestrator import failpoints

def arm(*_):
    failpoints.arm(point.read_text())
    point.unlink()

point = Path({point!r})
signal.signal(signal.SIGUSR1, arm)
"""
MAIN: Final = "from orchestrator.cli import main; main()"

# The shop window of these tests: one site that is well, and one for each way not to be.
CATALOGUE: Final = {
    "hello": {},
    "spare": {},  # the one that gets a pool, where a test asks for it
    "slow": {"HELLO_DELAY_MS": "1500"},
    "crashing": {"HELLO_EXIT": "3"},
    "never-ready": {"HELLO_STATUS": "500"},
    "brisk": {},  # or it was never ready
    "absent": {},
    "fetched": {},  # its image is pulled where it is missing; the others are built
}
_DISTRIBUTION: Final = """\
name = "{slug}"
summary = "For the tests of faults."
version = "1"
homepage = "https://example.org/"
category = "other"

[image]
ref = "{image}"
build = {build}

[readiness]
text = "Hello"
deadline = "{deadline}"

[limits]
memory = "16MiB"
cpus = 1.0
pids = 16

[environment]
{environment}
"""


def image_of(slug: str) -> str:
    """Each has one of its own; all but that of `absent` are the same."""
    return f"distros-faults/{slug}:1"


def write_catalogue(folder: Path) -> Path:
    for slug, environment in CATALOGUE.items():
        (folder / slug).mkdir(parents=True)
        (folder / slug / "Dockerfile").write_text("FROM scratch\n")
        (folder / slug / "distribution.toml").write_text(
            _DISTRIBUTION.format(
                slug=slug,
                build=str(slug != "fetched").lower(),
                image=image_of(slug),
                deadline="4s" if slug in {"brisk", "never-ready"} else "30s",
                environment="\n".join(f'{key} = "{value}"' for key, value in environment.items()),
            )
        )
    return folder


class Program:
    """A process with a log; `words` are its command, asked for at each start."""

    def __init__(self, words: Callable[[], tuple[str | Path, ...]], log: Path) -> None:
        self.log = log
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def spawn(self, **environment: str) -> None:
        inherited = {key: value for key, value in os.environ.items() if "DISTROS_" not in key}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words(),
                env=inherited | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> float:
        """Asks it to leave; the seconds that it took."""
        started = time.monotonic()
        self._signal(signal.SIGTERM)
        return time.monotonic() - started

    def died(self, *, within: float = PATIENCE) -> int:
        """Waits for an end that something else brings about; the exit code."""
        assert self._process is not None
        return self._process.wait(within)

    def _signal(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


class Traefik(Program):
    def __init__(self, folder: Path, engine_url: str) -> None:
        settings = {
            "web": f"127.0.0.1:{WEB_PORT}",
            "admin": f"127.0.0.1:{ADMIN_PORT}",
            "stack": STACK,
            "network": STACK,
            "subnet": SUBNET,
            "docker-url": engine_url,
            "orchestrator-url": f"http://127.0.0.1:{PORT}",
        }
        written = subprocess.run(
            [
                *(sys.executable, ROOT / "scripts/local_traefik.py", folder / "traefik"),
                *(word for name, value in settings.items() for word in (f"--{name}", value)),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        self._configuration = written.stdout.strip()
        program = Path(sys.executable).parent / "traefik"
        super().__init__(
            lambda: (program, f"--configfile={self._configuration}"), folder / "traefik.log"
        )

    def start(self) -> None:
        self.spawn()


class Service(Program):
    """`settings` are DISTROS_… variables, for every start; `start` takes more for one."""

    def __init__(self, folder: Path, engine_url: str, *, hasty: bool, **settings: str) -> None:
        self._point = folder / "failpoint"
        program = (HASTE if hasty else "") + ARMING.format(point=str(self._point)) + MAIN
        serve = (sys.executable, "-c", program, "serve")
        super().__init__(lambda: serve, folder / "service.log")
        self.given: dict[str, str] = {}  # to the latest start
        self.database = folder / "distros.db"
        self._settings = {
            "DISTROS_STACK": STACK,
            "DISTROS_NETWORK": STACK,
            "DISTROS_SUBNET": SUBNET,
            "DISTROS_SITE_URL": f"http://{SITE}",
            "DISTROS_INSTANCES_URL": f"http://sandbox.localhost:{WEB_PORT}",
            "DISTROS_PROXY_URL": f"http://127.0.0.1:{WEB_PORT}",
            "DISTROS_PROXY_ADMIN_URL": f"http://127.0.0.1:{ADMIN_PORT}",
            "DISTROS_PORT": str(PORT),
            "DISTROS_DOCKER_URL": engine_url,
            "DISTROS_SECRET_KEY": "s" * 32,
            "DISTROS_ADMIN_TOKEN": TOKEN,
            "DISTROS_CAPACITY": "8",
            "DISTROS_QUEUE_LIMIT": "20",
            "DISTROS_POOL_LIMIT": "0",
            "DISTROS_BRING_IMAGES": "false",
            "DISTROS_SYNTHETIC_INTERVAL": "0s",
            "DISTROS_DISK_RESERVE": "8MiB",
            "DISTROS_DISTRIBUTIONS_DIR": str(write_catalogue(folder / "distributions")),
            **(HASTY if hasty else {}),
            **settings,
        }

    def start(self, **settings: str) -> None:
        """Returns once it answers."""
        self.given = {key: value for key, value in settings.items() if key != VARIABLE}
        database = {"DISTROS_DATABASE_URL": f"sqlite+aiosqlite:///{self.database}"}
        self.spawn(**self._settings | database | settings)
        self.until_answers()

    def arm(self, point: str) -> None:
        """It dies when it next comes there, if it has not died before."""
        assert self._process is not None
        self._point.write_text(point)
        self._process.send_signal(signal.SIGUSR1)
        eventually(lambda: not (self._point.exists() and self.runs), f"{point} is armed")

    def until_answers(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while not self.answers():
            if not self.runs or time.monotonic() > give_up:
                raise RuntimeError(f"the service does not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            with self.api(timeout=1) as api:
                return api.get(f"http://127.0.0.1:{PORT}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def ready(self) -> bool:
        """It says that a launch would work."""
        with self.api(timeout=5) as api:
            return api.get(f"http://127.0.0.1:{PORT}/readyz").status_code == 200

    def api(self, *, timeout: float = 60, token: str = TOKEN) -> httpx.Client:
        """As an admin, if nothing else is said. Not through Traefik, which has bad days of its own
        here."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}/api/v1",
            headers={"Host": SITE, "Authorization": f"Bearer {token}"},
            timeout=timeout,
            trust_env=False,
        )

    def descriptors(self) -> int:
        return psutil.Process(self.pid).num_fds()

    def threads(self) -> int:
        return psutil.Process(self.pid).num_threads()

    def memory(self) -> int:
        """Bytes that are its own."""
        return int(psutil.Process(self.pid).memory_full_info().uss)


def page(url: str, path: str = "/", *, timeout: float = 5) -> httpx.Response:
    """A site's page as a browser gets it, through Traefik."""
    headers = {"Host": urlsplit(url).netloc, "Accept": "text/html"}
    return httpx.get(
        f"http://127.0.0.1:{WEB_PORT}{path}", headers=headers, timeout=timeout, trust_env=False
    )


@contextmanager
def ended(*programs: Program) -> Iterator[None]:
    """None of them outlives the block."""
    try:
        yield
    finally:
        for program in programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.kill()


def eventually(
    question: Callable[[], Any], what: str, *, within: float = PATIENCE, every: float = 0.05
) -> Any:
    """Asks until the answer is true, and returns it; an error of the connection is a no."""
    give_up = time.monotonic() + within
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if answer := question():
                return answer
        assert time.monotonic() < give_up, f"not within {within:g} s: {what}"
        time.sleep(every)
