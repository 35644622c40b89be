"""The test stand: an engine of its own, the fault proxy before it, Traefik and the service."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from .engine import OwnEngine, own_engine
from .promises import Promises, Watch
from .proxy import FaultProxy, fault_proxy
from .service import CATALOGUE, SITE, TOKEN, Service, Traefik, ended, eventually, image_of, page

CAPACITY = 8
PROMPT = 1.0  # seconds
WARM_UP = 3  # launches at once


@dataclass
class Stand:
    engine: OwnEngine
    proxy: FaultProxy
    traefik: Traefik
    service: Service
    promises: Promises = field(init=False)
    # Descriptors and threads of a service that was warm; it is the same for each of its processes.
    _level: tuple[int, int] | None = None

    # -- what a test asks of the service ---------------------------------------------------------

    def ask(self, slug: str = "hello", *, wait: int = 0, **body: Any) -> httpx.Response:
        """A launch; where it is accepted, the promises hold for it from now on."""
        key = body.pop("key", None)
        with self.service.api(token=body.pop("token", TOKEN)) as api:
            answer = api.post(
                "/instances",
                json={"distribution": slug} | body,
                headers={"Prefer": f"wait={wait}"} | ({"Idempotency-Key": key} if key else {}),
            )
        if answer.is_success:
            self.promises.accepted.append(answer.json()["id"])
        return answer

    def refused(self) -> None:
        """A launch is refused within a second, with a reason and with when to try again."""
        started = time.monotonic()
        answer = self.ask()
        assert time.monotonic() - started < PROMPT
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"] and answer.json()["detail"]

    def launch(self, slug: str = "hello", **how: Any) -> dict[str, Any]:
        """One that is ready."""
        answer = self.ask(slug, wait=60, **how)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def accepted_since(self, site: dict[str, Any]) -> list[str]:
        """Launches that were accepted after this one."""
        accepted = self.promises.accepted
        return accepted[accepted.index(site["id"]) + 1 :]

    def renew(self, instance_id: str) -> datetime:
        with self.service.api() as api:
            document = api.post(f"/instances/{instance_id}/renew").raise_for_status().json()
        until = datetime.fromisoformat(document["expires_at"])
        self.promises.renewed[instance_id] = until
        return until

    def delete(self, instance_id: str) -> None:
        with self.service.api() as api:
            api.delete(f"/instances/{instance_id}").raise_for_status()

    def show(self, instance_id: str) -> dict[str, Any]:
        with self.service.api() as api:
            document: dict[str, Any] = (
                api.get(f"/instances/{instance_id}").raise_for_status().json()
            )
        return document

    def until(self, instance_id: str, *states: str, within: float = 60) -> dict[str, Any]:
        """Until it is in one of these states."""

        def there() -> dict[str, Any] | None:
            document = self.show(instance_id)
            return document if document["state"] in states else None

        found: dict[str, Any] = eventually(there, f"{instance_id} {states}", within=within)
        return found

    def pooled(self) -> int:
        """How many wait in the pool, ready."""
        with self.service.api() as api:
            pools = api.get("/pool").raise_for_status().json()["pool"]
        return sum(each["ready"] for each in pools)

    def container(self, instance_id: str) -> dict[str, Any]:
        (found,) = self.engine.containers(distros_instance=instance_id)
        return found

    def logs(self) -> dict[str, Path]:
        return {
            "the service": self.service.log,
            "Traefik": self.traefik.log,
            "the engine": self.engine.log,
        }

    # -- what happens to it ----------------------------------------------------------------------

    def restart_service(self, **settings: str) -> None:
        with self.promises.watch.out_of_order():
            if self.service.runs:
                self.service.terminate()
            self.service.start(**settings)

    def restart_engine(self, *, live_restore: bool = False) -> None:
        """Killed, and started again."""
        with self.promises.watch.out_of_order():
            self.engine.kill()
            self.engine.start(live_restore=live_restore)

    def heal(self) -> None:
        """As at the beginning: everything runs, and there is no instance."""
        self.proxy.heal()
        self.engine.thaw()
        self.engine.disk.empty()
        if not self.engine.runs:
            self.engine.start()
        if not self.traefik.runs:
            self.traefik.start()
        if not self.service.runs:
            self.service.start()
        eventually(lambda: page(f"http://{SITE}", "/readyz").status_code == 200, "ready")
        with self.service.api() as api:
            for each in api.get("/instances").raise_for_status().json()["instances"]:
                api.delete(f"/instances/{each['id']}")
        eventually(self._is_empty, "an empty stand", within=90)

    def _is_empty(self) -> bool:
        return not self.engine.containers()

    def _warm_up(self) -> None:
        """The process has then opened what it keeps open."""
        asked = [self.ask().json()["id"] for _ in range(WARM_UP)]
        for instance_id in asked:
            self.until(instance_id, "ready")
        with ThreadPoolExecutor(WARM_UP) as threads:
            list(threads.map(self.delete, asked))

    @contextmanager
    def promised(self) -> Iterator["Stand"]:
        """The block is a scenario: afterwards every promise must have been kept."""
        self.heal()
        watch = Watch(self.engine, self.service)
        self.proxy.calls.clear()
        self.promises = Promises(self.engine, self.proxy, self.service, watch, CAPACITY)
        with watch.watching():
            if self._level is None:
                self._warm_up()
                self._level = self.service.descriptors(), self.service.threads()
            self.promises.descriptors, self.promises.threads = self._level
            yield self
            self.promises.check()


@contextmanager
def stand(folder: Path, *, hasty: bool) -> Iterator[Stand]:
    with ExitStack() as leaving:
        engine = leaving.enter_context(own_engine())
        engine.load("distros/hello:1", *(image_of(slug) for slug in CATALOGUE if slug != "absent"))
        proxy = leaving.enter_context(fault_proxy(engine.folder, engine.socket))
        traefik = Traefik(folder, engine.url)
        service = Service(folder, proxy.url, hasty=hasty, DISTROS_CAPACITY=str(CAPACITY))
        leaving.enter_context(ended(service, traefik))
        traefik.start()
        service.start()
        yield Stand(engine, proxy, traefik, service)
