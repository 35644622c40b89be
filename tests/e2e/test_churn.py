"""No visitor ever sees another's site: launches and deletions, while old and new hosts are asked.

`CHURN` says how many launches; the long form is `CHURN=2000`, more than twenty minutes. It may be
cut into runs: `CHURN_HOSTS` names a file in which one leaves its hosts to the next, which asks for
them from its beginning.
"""

import json
import os
import random
import threading
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from .stack import Stack

LAUNCHES = int(os.environ.get("CHURN", "60"))
LEFT = Path(os.environ["CHURN_HOSTS"]) if "CHURN_HOSTS" in os.environ else None
VISITORS = 3  # who launch and delete
CLIENTS = 4  # who ask all the time
REMEMBERED = 200  # hosts, the latest; the oldest of them have been gone for long
MARKER = "X-Distros-Instance"


class Hosts:
    """The latest, gone ones too."""

    def __init__(self, earlier: Iterable[tuple[str, str]] = ()) -> None:
        self._latest = deque(earlier, maxlen=REMEMBERED)
        self._lock = threading.Lock()

    @classmethod
    def left_in(cls, file: Path) -> Self:
        if not file.is_file():
            return cls()
        return cls((each, host) for each, host in json.loads(file.read_text()))

    def leave_in(self, file: Path) -> None:
        file.write_text(json.dumps(list(self._latest)))

    def add(self, instance_id: str, url: str) -> None:
        with self._lock:
            self._latest.append((instance_id, urlsplit(url).netloc))

    def any(self) -> tuple[str, str] | None:
        """As often one of those that may be live as one of all."""
        with self._lock:
            if not self._latest:
                return None
            among = random.choice((VISITORS, len(self._latest)))
            return self._latest[-random.randint(1, min(among, len(self._latest)))]


def test_no_host_ever_answers_with_anothers_marker(stack: Stack) -> None:
    hosts, done = Hosts.left_in(LEFT) if LEFT else Hosts(), threading.Event()
    with ThreadPoolExecutor(VISITORS + CLIENTS) as threads:
        asking = [threads.submit(ask, stack, hosts, done) for _ in range(CLIENTS)]
        try:
            shares = [LAUNCHES // VISITORS] * VISITORS
            launched = sum(threads.map(lambda share: churn(stack, hosts, share), shares))
        finally:
            done.set()
        answers = sum((each.result() for each in asking), Counter[str]())

    if LEFT:
        hosts.leave_in(LEFT)
    print(f"{launched} launches; asked meanwhile: {dict(answers)}")
    assert launched == LAUNCHES // VISITORS * VISITORS
    assert answers["another's"] == 0
    assert answers["its own"] > launched and answers["nobody's"] > 0


def churn(stack: Stack, hosts: Hosts, launches: int) -> int:
    """Launches one after the other, and deletes each at once."""
    with stack.api() as api:
        for _ in range(launches):
            document = stack.launch("hello")
            hosts.add(document["id"], document["url"])
            page = stack.get(document["url"])
            assert page.headers[MARKER] == document["id"]
            assert api.delete(f"/instances/{document['id']}").status_code == 204
    return launches


def ask(stack: Stack, hosts: Hosts, done: threading.Event) -> Counter[str]:
    """Whose markers came."""
    answers = Counter[str]()
    url = f"http://127.0.0.1:{stack.port}/"
    with httpx.Client(timeout=10, trust_env=False) as client:
        while not done.is_set():
            if (chosen := hosts.any()) is None:
                done.wait(0.01)
                continue
            instance_id, host = chosen
            marker = client.get(url, headers={"Host": host}).headers.get(MARKER)
            answers[{None: "nobody's", instance_id: "its own"}.get(marker, "another's")] += 1
    return answers
