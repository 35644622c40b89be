"""Burst: 50 visitors click in the same moment, with 10 sites in the pool.

Each has a cookie of its own and does what a browser does: sends the form, follows the redirect, and
has a page: the site itself, or where it stands in the queue. There it listens to the page's event
stream, and at last is at its site. Nobody may fail, and no site may be started twice: the engine's
create calls are counted.
"""

import json
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from benchmarks.bare import remove_many, start_many
from benchmarks.calls import SETTLES, log
from benchmarks.figures import Figure, percentile
from benchmarks.laboratory import POOLS, Laboratory
from orchestrator.domain.naming import MARKER_HEADER

CLICKS = 50
CONCURRENCIES = (3, 4, 6)
PATIENCE = 120  # seconds between two events
TLS = ssl.create_default_context()  # made once: loading certificates takes a client 20 ms
CREATED = re.compile(rb"POST (?:/v1\.[0-9]+)?/containers/create\?name=([a-z0-9-]+)")


@dataclass(frozen=True)
class Visit:
    """Seconds from the click to the first page and to the site; whether the first was the site."""

    instance: str
    first: float
    at_once: bool
    site: float


class Visitor:
    def __init__(self, lab: Laboratory) -> None:
        self.port = lab.stack.port
        self.site_host = f"distros.localhost:{self.port}"
        self.client = httpx.Client(trust_env=False, timeout=30, verify=TLS)
        front_page = self.get(self.site_host, "/").text
        token = re.search(r'name="token" value="(\w+)"', front_page)
        self.form = {"distribution": "hello", "token": token[1] if token else ""}

    def get(self, host: str, path: str) -> httpx.Response:
        return self.client.get(f"http://127.0.0.1:{self.port}{path}", headers=self.headers(host))

    def headers(self, host: str) -> dict[str, str]:
        # The jar knows only 127.0.0.1, where all hosts are one.
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        mine = {"Cookie": cookies} if cookies and host == self.site_host else {}
        return {"Host": host, "Accept": "text/html", **mine}

    def click(self) -> Visit:
        started = time.perf_counter()
        answer = self.client.post(
            f"http://127.0.0.1:{self.port}/launch",
            data=self.form,
            headers=self.headers(self.site_host),
        )
        if answer.status_code != 303:
            raise RuntimeError(f"the click was answered {answer.status_code}: {answer.text[:200]}")
        target = httpx.URL(f"http://{self.site_host}").join(answer.headers["Location"])
        page = self.get(target.netloc.decode(), target.path)
        first = time.perf_counter() - started
        at_once = MARKER_HEADER in page.headers
        if page.status_code != 200:
            raise RuntimeError(f"the first page was {page.status_code}")
        if not at_once:
            target = self.until_ready(target.path)
            page = self.get(target.netloc.decode(), target.path)
            if page.status_code != 200 or MARKER_HEADER not in page.headers:
                raise RuntimeError(f"the site answered {page.status_code}")
        site = time.perf_counter() - started
        return Visit(page.headers[MARKER_HEADER], first, at_once, site)

    def until_ready(self, waiting: str) -> httpx.URL:
        """The site's address, once the waiting page's own event stream says that it is ready."""
        events = f"http://127.0.0.1:{self.port}/api/v1{waiting}/events"
        headers = self.headers(self.site_host) | {"Accept": "text/event-stream"}
        with self.client.stream("GET", events, headers=headers, timeout=PATIENCE) as stream:
            for line in stream.iter_lines():
                told = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if told.get("state") == "ready":
                    return httpx.URL(told["url"])
                if told.get("state") not in (None, "queued", "starting"):
                    raise RuntimeError(f"the site is {told['state']}: {told.get('detail')}")
        raise RuntimeError("the event stream ended early")


def run(lab: Laboratory) -> Iterator[Figure]:
    lab.until_stocked()
    reference = {each: bare_burst(lab, each) for each in CONCURRENCIES}
    best = min(reference, key=lambda concurrency: reference[concurrency])
    lab.until_stocked()
    earlier = len(log(lab))
    visitors = [Visitor(lab) for _ in range(CLICKS)]
    together = threading.Barrier(CLICKS)

    def click(visitor: Visitor) -> Visit | Exception:
        together.wait()
        try:
            return visitor.click()
        except Exception as error:  # it is counted
            return error

    with ThreadPoolExecutor(CLICKS) as threads:
        results = list(threads.map(click, visitors))
    for visitor in visitors:
        visitor.client.close()
    visits = [each for each in results if isinstance(each, Visit)]
    errors = Counter(str(each) for each in results if isinstance(each, Exception))
    lab.until_stocked()
    time.sleep(SETTLES)
    created = Counter(CREATED.findall(log(lab)[earlier:]))
    different = len({each.instance for each in visits})
    lab.delete(*(each.instance for each in visits))
    firsts, sites = [each.first for each in visits], [each.site for each in visits]
    everybody = float(CLICKS)
    yield Figure(
        "burst",
        "got a page at once and a site",
        len(visits),
        "",
        everybody,
        "clicks",
        1,
        "more",
        details={"errors": errors, "served_from_the_pool": sum(each.at_once for each in visits)},
    )
    yield Figure("burst", "different sites", different, "", everybody, "clicks", 1, "more")
    yield Figure(
        "burst",
        "containers created, the pool's refill too",
        created.total(),
        "",
        len(created),
        "different names",
        1,
        details={"started_twice": created.total() - len(created)},
    )
    for share in (0.5, 0.99):
        yield Figure(
            "burst",
            f"first page, {share:.0%} of visitors within",
            percentile(firsts, share),
            "s",
            percentile(sites, share),
            "their site",
        )
    yield Figure(
        "burst",
        "all 50 at their sites after",
        max(sites),
        "s",
        reference[best],
        f"bare engine starts {CLICKS - POOLS['hello']}, {best} at a time",
        details={"bare_by_concurrency": reference},
    )
    if lab.hub:
        yield from beside_the_hub(lab, max(sites))


def bare_burst(lab: Laboratory, concurrency: int) -> float:
    count = CLICKS - POOLS["hello"]
    seconds, containers = start_many(
        lab.browser, lab.catalog.get("hello"), lab.network, count, concurrency
    )
    remove_many(containers, 4)
    return seconds


def beside_the_hub(lab: Laboratory, ours: float) -> Iterator[Figure]:
    assert lab.hub
    hub = lab.hub
    together = threading.Barrier(CLICKS)

    def visit(_: int) -> float | Exception:
        together.wait()
        try:
            return hub.visit().seconds
        except Exception as error:  # it is counted
            return error

    with ThreadPoolExecutor(CLICKS) as threads:
        results = list(threads.map(visit, range(CLICKS)))
    hub.clear()
    served = [each for each in results if isinstance(each, float)]
    failures = Counter(type(each).__name__ for each in results if isinstance(each, Exception))
    yield Figure(
        "burst",
        "all 50 at their sites after",
        ours,
        "s",
        max(served, default=float("nan")),
        f"JupyterHub, {len(served)} of {CLICKS} served",
        details={"hub_failures": failures},
    )
