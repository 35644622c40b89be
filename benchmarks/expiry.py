"""Expiry: 50 leases end in the same second, while many other instances live.

Launched one after the other, then renewed at once, so that they end together. From the first end
to the engine's last `destroy` event. The reference removes as many bare containers, the engine at
its best concurrency, with as many others alive and Traefik watching.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from benchmarks import bare
from benchmarks.figures import Figure
from benchmarks.laboratory import FILLERS, Laboratory

BAR = 1.2
COUNT = 50
CONCURRENCIES = (2, 4, 8)
LIFETIME = 60  # seconds: enough to launch all of them and to renew them in time
SLUG = "cold-hello"


def run(lab: Laboratory) -> Iterator[Figure]:
    count = COUNT if lab.live >= COUNT or lab.runs >= 10 else 20
    # So that as many live as the level says, when it is over 50 more are gone.
    leaving, lab.filling[-count:] = lab.filling[-count:], []
    lab.delete(*leaving)
    lab.until_stocked()
    best = bare.Best.of({each: bare_removal(lab, count, each) for each in CONCURRENCIES})
    lab.until_stocked()
    seconds, first = together(lab, count)
    yield Figure(
        "expiry",
        f"the last of {count} is gone after",
        seconds,
        "s",
        best.seconds,
        f"bare engine removes {count}, {best.concurrency} at a time",
        BAR,
        live=lab.live + len(leaving),
        details={"first_gone_after": first, "bare_by_concurrency": best.tried},
    )


def bare_removal(lab: Laboratory, count: int, concurrency: int) -> float:
    hello = lab.catalog.get(SLUG)
    _, containers = bare.start_many(lab.browser, hello, lab.network, count, 4)
    time.sleep(2)  # Traefik has read them all
    return bare.remove_many(containers, concurrency)


def together(lab: Laboratory, count: int) -> tuple[float, float]:
    """Seconds from the first deadline to the last container's end, and to the first one's."""
    with ThreadPoolExecutor(FILLERS) as threads:
        ids = [
            each["id"]
            for each in threads.map(lambda _: lab.launch(SLUG, lifetime=LIFETIME), range(count))
        ]
    with ThreadPoolExecutor(4) as threads:
        time.sleep(1 - time.time() % 1)  # within one second
        renewed = list(threads.map(lambda each: lab.api.post(f"/instances/{each}/renew"), ids))
    ends = [
        datetime.fromisoformat(each.raise_for_status().json()["expires_at"]).timestamp()
        for each in renewed
    ]
    gone: list[float] = []
    listening = threading.Thread(target=listen, args=(set(ids), max(ends) + 120, gone))
    listening.start()
    listening.join()
    if len(gone) < count:
        raise RuntimeError(f"only {len(gone)} of {count} are gone two minutes after their end")
    return max(gone) - min(ends), min(gone) - min(ends)


def listen(ids: set[str], until: float, gone: list[float]) -> None:
    """Times (UNIX) of the engine's `destroy` events of these instances."""
    filters = {"type": "container", "event": "destroy", "label": "distros.managed=true"}
    for event in bare.engine().events(decode=True, filters=filters, until=int(until)):
        if event["Actor"]["Attributes"].get("distros.instance") in ids:
            gone.append(event["timeNano"] / 1e9)
            if len(gone) == len(ids):
                return
