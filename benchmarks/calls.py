"""How many calls to the engine were made, counted by those who have its socket.

The orchestrator's guard logs each call; those that nothing has to do with a launch (its own
health check, the list and the event stream that are renewed every minute, what instances use) are
told apart. Traefik's proxy tells only a number.
"""

import csv
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import docker
import httpx

from benchmarks.laboratory import Laboratory

CALL = re.compile(rb'"(GET|HEAD|POST|DELETE) (?:/v1\.[0-9]+)?(/[^ ?"]*)')
NAMED = re.compile(
    r"^/(containers|images|networks)/(?!create$|json$).+?(/json|/logs|/start|/stats|/update)?$"
)
ANYWAY = {
    "GET /_ping",
    "GET /version",
    "GET /events",
    "GET /containers/json",
    "GET /containers/…/stats",
    "POST /containers/…/update",
    "GET /networks/…",
}
SETTLES = 1.0  # seconds until the proxy has logged the last call


@dataclass
class Count:
    launches: dict[str, int] = field(default_factory=dict)
    anyway: int = 0
    traefik: int = 0


@contextmanager
def counted(lab: Laboratory) -> Iterator[Count]:
    """Filled in on leaving."""
    count = Count()
    time.sleep(SETTLES)
    logged, before = log(lab), traefik(lab)
    yield count
    time.sleep(SETTLES)
    calls = Counter(map(kind, CALL.findall(log(lab)[len(logged) :])))
    count.anyway = sum(number for call, number in calls.items() if call in ANYWAY)
    count.launches = {call: number for call, number in sorted(calls.items()) if call not in ANYWAY}
    count.traefik = traefik(lab) - before


def kind(call: tuple[bytes, bytes]) -> str:
    method, path = call[0].decode(), call[1].decode()
    return method + " " + NAMED.sub(r"/\1/…\2", path)


def log(lab: Laboratory) -> bytes:
    client = docker.APIClient(version="auto", timeout=60)
    raw: bytes = client.logs(lab.container("socket-guard"), stderr=False)
    client.close()
    return raw


def traefik(lab: Laboratory) -> int:
    """Requests so far."""
    url = f"http://{lab.address('socket-proxy-traefik')}:8404/;csv"
    rows = csv.DictReader(httpx.get(url, trust_env=False).text.lstrip("# ").splitlines())
    return next(
        int(row["req_tot"])
        for row in rows
        if (row["pxname"], row["svname"]) == ("calls", "FRONTEND")
    )
