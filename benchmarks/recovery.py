"""Recovery: the service is killed, and started again; until it is ready, and knows every instance.

The reference is what the engine needs to list the same containers: less than that no service can
need that asks the engine what runs. Most of ours is the start of a container and of Python.
"""

import time
from collections.abc import Callable, Iterator

import httpx

from benchmarks.figures import Figure, median
from benchmarks.laboratory import Laboratory

TIMES = 3
LISTS = 5
PATIENCE = 60  # seconds


def run(lab: Laboratory) -> Iterator[Figure]:
    lab.until_stocked()
    starts = [killed_and_started(lab) for _ in range(TIMES if lab.runs >= 10 else 1)]
    lists = [list_seconds(lab) for _ in range(LISTS)]
    for what, index in (("the process answers", 0), ("ready", 1), ("every instance known", 2)):
        yield Figure(
            "recovery",
            f"killed, until {what}",
            median([each[index] for each in starts]),
            "s",
            median(lists),
            "bare engine's list",
            live=lab.live,
        )


def killed_and_started(lab: Laboratory) -> tuple[float, float, float]:
    """Seconds until the process answers, is ready, and knows every instance."""
    before = known(lab, lab.address("orchestrator"))
    service = lab.container("orchestrator")
    lab.engine.kill(service, "SIGKILL")
    while lab.engine.inspect_container(service)["State"]["Running"]:
        time.sleep(0.01)
    started = time.perf_counter()
    lab.engine.start(service)
    address = lab.address("orchestrator")
    alive = until(started, lambda: ask(address, "/healthz") is not None)
    ready = until(started, lambda: ask(address, "/readyz") is not None)
    complete = until(started, lambda: known(lab, address) >= before)
    until(started, lambda: lab.api.get("/distributions").status_code == 200)
    return alive, ready, complete


def until(started: float, holds: Callable[[], bool]) -> float:
    while not holds():
        if time.perf_counter() - started > PATIENCE:
            raise RuntimeError("the service has not come back")
        time.sleep(0.01)
    return time.perf_counter() - started


def ask(address: str, path: str, **headers: str) -> httpx.Response | None:
    """None unless it answers 200."""
    try:
        with httpx.Client(trust_env=False, timeout=2) as client:
            answer = client.get(
                f"http://{address}:8000{path}", headers=headers | {"Host": "localhost"}
            )
    except httpx.TransportError:
        return None
    return answer if answer.status_code == 200 else None


def known(lab: Laboratory, address: str) -> set[str]:
    """Ids of what the service knows."""
    token = f"Bearer {lab.stack.admin_token}"
    answer = ask(address, "/api/v1/instances", Authorization=token)
    return {each["id"] for each in answer.json()["instances"]} if answer else set()


def list_seconds(lab: Laboratory) -> float:
    started = time.perf_counter()
    lab.engine.containers(all=True, filters={"label": f"distros.stack={lab.stack.name}"})
    return time.perf_counter() - started
