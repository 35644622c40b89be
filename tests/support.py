"""What tests build the service from: the fake engine, a probe that believes it, a clock to turn."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from orchestrator.app import create_app
from orchestrator.catalog import Catalog
from orchestrator.domain.differences import Difference
from orchestrator.domain.distribution import Distribution, Pool
from orchestrator.domain.fair_share import Machine
from orchestrator.domain.models import Caller, Instance
from orchestrator.domain.naming import LABEL_INSTANCE, instance_id_of, router_name
from orchestrator.domain.outages import ProxyUnavailable
from orchestrator.engine.fake import FakeEngine
from orchestrator.engine.fake_host import FakeHost
from orchestrator.engine.routing import Routing
from orchestrator.layout import address_plan
from orchestrator.service.readiness import Answer
from orchestrator.service.routes import Route
from orchestrator.settings import ROOT, Settings
from orchestrator.store.sql import SqlStore
from orchestrator.web.services import Services
from orchestrator.web.texts import load_texts

ADMIN_TOKEN = "a" * 32
ANNA = Caller(visitor="v-anna")
BEN = Caller(visitor="v-ben")
ADMIN = Caller(visitor="admin", admin=True)
TEXTS = load_texts(ROOT / "frontend" / "texts")
ENGLISH, GERMAN = TEXTS["en"], TEXTS["de"]
SUBNET = IPv4Network("10.99.0.0/20")
LIMITS = (
    "launches_per_visitor",
    "launches_per_address",
    "launches_per_network",
    "instances_per_visitor",
    "instances_per_address",
)

WIKI = Distribution.model_validate(
    {
        "slug": "wiki",
        "name": "Wiki",
        "summary": "A wiki for tests.",
        "version": "1",
        "homepage": "https://wiki.example",
        "category": "wiki",
        "image": {"ref": "test/wiki:1", "build": True},
        "readiness": {"path": "/start", "text": "welcome", "deadline": "5s"},
        "login": {"path": "/login", "user": "admin", "password_env": "ADMIN_PASSWORD"},
        "links": {"admin": "/admin"},
    }
)
LINKED = WIKI.model_copy(
    update={"login": WIKI.login and WIKI.login.model_copy(update={"link": "/sign-in"})}
)
HIDDEN = WIKI.model_copy(
    update={"slug": "hidden", "listed": False, "login": None, "name": "Hidden"}
)
SHELL = WIKI.model_copy(update={"terminal": ("/bin/bash",)})
MISSING = WIKI.model_copy(
    update={
        "slug": "missing",
        "name": "Missing",
        "image": WIKI.image.model_copy(update={"ref": "test/missing:1"}),
    }
)


def with_pool(minimum: int, maximum: int, **changes: Any) -> Catalog:
    """The wiki alone, with these bounds of its pool."""
    pool = Pool(min=minimum, max=maximum)
    return Catalog([WIKI.model_copy(update={"pool": pool, **changes})])


class Clock:
    """Real time, moved by what `advance` adds."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, **by: float) -> None:
        self._offset += timedelta(**by)


class FakeRoutes:
    """A proxy that has a route to whatever the fake engine runs.

    One that was lost comes back with a nudge, unless the proxy is `deaf`; `odd` are further routes,
    or others than there would be; an `away` proxy cannot be asked.
    """

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._lost: dict[str, int] = {}  # name → nudges so far
        self.odd: dict[str, Route] = {}
        self.deaf = False
        self.away = False

    def lose(self, instance_id: str) -> None:
        self._lost[self._engine.name_of(instance_id)] = self._engine.host.nudges

    def lacks(self, instance_id: str) -> bool:
        lost_at = self._lost.get(self._engine.name_of(instance_id))
        return lost_at is not None and (self.deaf or lost_at == self._engine.host.nudges)

    async def all(self) -> dict[str, Route]:
        await asyncio.sleep(0)
        if self.away:
            raise ProxyUnavailable("The proxy does not tell its routes: refused.")
        running = {
            each.labels.get(LABEL_INSTANCE, "")
            for each in self._engine.host.containers.values()
            if each.running and not each.paused
        }
        routed = [each for each in running if each and not self.lacks(each)]
        names = [router_name("distros", each) for each in routed]
        return {name: Route(name) for name in names} | self.odd

    async def close(self) -> None: ...


class FakeProbe:
    """Answers as a healthy stack would: by what the fake engine runs, where there is a route to it.

    `site` says what a running instance answers; `proxy` what the way to this service answers.
    """

    def __init__(self, engine: FakeEngine, routes: FakeRoutes) -> None:
        self._engine = engine
        self._routes = routes
        self.site: Callable[[str], Answer] = lambda instance_id: Answer(
            200, marker=instance_id, text="welcome"
        )
        self.proxy = Answer(200)
        self.asked: list[str] = []

    async def ask(self, host: str, path: str) -> Answer:
        instance_id = instance_id_of(host, "sandbox.localhost")
        if instance_id is None:
            return self.proxy
        self.asked.append(host + path)
        container = self._engine.host.containers.get(self._engine.name_of(instance_id))
        if container is None or not container.running or self._routes.lacks(instance_id):
            return Answer(404, text="404 page not found")
        return self.site(instance_id)

    async def close(self) -> None: ...


class Browser(httpx.AsyncClient):
    """A visitor's (with a cookie jar of its own), or a program with headers."""

    async def submit(self, path: str, **how: Any) -> httpx.Response:
        """Sends a form of the site's, with the token of the front page."""
        data = {"token": await self.form_token()} | how.pop("data", {})
        return await self.post(path, data=data, **how)

    async def form_token(self) -> str:
        token = re.search(r'name="token" value="(\w+)"', (await self.get("/")).text)
        return token[1] if token else ""


def page_of(launched: httpx.Response) -> str:
    """The path of the page of the site that a form has launched."""
    assert launched.status_code == 303, launched.text
    path, _, step = launched.headers["location"].rpartition("/")
    assert step == "go"
    return str(path)


@dataclass
class World:
    """One running service and its surroundings."""

    app: Starlette
    services: Services
    engine: FakeEngine
    probe: FakeProbe
    routes: FakeRoutes
    clock: Clock

    def client(self, **headers: str) -> Browser:
        return Browser(
            transport=httpx.ASGITransport(self.app),
            base_url="http://distros.localhost:8080",
            headers=headers,
            timeout=10,
        )

    def admin(self) -> Browser:
        return self.client(Authorization=f"Bearer {ADMIN_TOKEN}")

    async def lose_engine(self) -> None:
        """It goes away, and the service has noticed."""
        self.engine.unavailable = True
        await self.engine.host.cut_streams()
        while not self.services.health.engine_away:
            await asyncio.sleep(0.01)

    async def compare(self) -> tuple[Difference, ...]:
        """As the service does each minute; what it has found."""
        reconciler = self.services.reconciler
        await reconciler.reconcile(await self.engine.list())
        return reconciler.found

    async def launched(self, caller: Caller = ANNA, slug: str = "wiki", **how: Any) -> Instance:
        """A launch that has succeeded or failed."""
        instance = await self.services.launcher.launch(caller, slug, **how)
        return await self.until(instance.id, lambda now: not now.state.pending)

    async def until(self, instance_id: str, wanted: Callable[[Instance], bool]) -> Instance:
        instance = await self.services.ledger.until(instance_id, wanted)
        assert instance is not None
        return instance

    async def ended(self, instance_id: str) -> Instance:
        return await self.until(instance_id, lambda now: now.state.ended)


def settings(folder: Path, **changes: Any) -> Settings:
    defaults: dict[str, Any] = {
        "secret_key": "s" * 32,
        "admin_token": ADMIN_TOKEN,
        "database_url": f"sqlite+aiosqlite:///{folder}/distros.db",
        "subnet": SUBNET,
        "bring_images": False,
        "captcha": "none",
        "disk_reserve": 0,  # whatever this machine has
        "memory_reserve": 0,
    } | dict.fromkeys(LIMITS, 0)
    return Settings(**defaults | changes)


@asynccontextmanager
async def running(
    folder: Path,
    *,
    host: FakeHost | None = None,
    clock: Clock | None = None,
    now: Callable[[], datetime] | None = None,
    catalog: Catalog | None = None,
    machine: Callable[[], Machine] = lambda: Machine(cores=2, load=0.0),
    **changes: Any,
) -> AsyncIterator[World]:
    """The whole service on fakes, except for its database. Enter it again to play a restart.

    `now` is a clock of another kind than `clock`; `machine`, whatever this one has to do, is idle.
    """
    configured = settings(folder, **changes)
    engine = FakeEngine(
        Routing(
            configured.stack,
            configured.instance_domain,
            configured.network,
            address_plan(configured),
        ),
        host=host or FakeHost(),
    )
    engine.host.images.setdefault(WIKI.image.ref, {})
    routes = FakeRoutes(engine)
    probe = FakeProbe(engine, routes)
    clock = clock or Clock()
    app = create_app(
        configured,
        catalog=catalog or Catalog([WIKI, HIDDEN, MISSING]),
        engine=engine,
        store=SqlStore(configured.database_url, address_plan(configured)),
        probe=probe,
        routes=routes,
        now=now or clock,
        machine=machine,
    )
    async with app.router.lifespan_context(app):
        yield World(app, app.state.services, engine, probe, routes, clock)


@contextmanager
def served(folder: Path, **how: Any) -> Iterator[str]:
    """The whole service on fakes behind a real socket, in a thread of its own; yields its URL."""
    started: Future[tuple[str, Callable[[], None]]] = Future()

    async def serve() -> None:
        async with running(folder, **how) as world:
            config = uvicorn.Config(world.app, port=0, lifespan="off", log_config=None)
            server = uvicorn.Server(config)
            listening = config.bind_socket()
            listening.listen()  # who comes before the server serves waits

            def stop() -> None:
                server.should_exit = True

            started.set_result((f"http://127.0.0.1:{listening.getsockname()[1]}", stop))
            await server.serve(sockets=[listening])

    with ThreadPoolExecutor(1) as threads:
        running_server = threads.submit(asyncio.run, serve())
        running_server.add_done_callback(lambda ended: _fail(started, ended.exception()))
        url, stop = started.result(timeout=20)
        try:
            yield url
        finally:
            stop()


def _fail(started: Future[Any], error: BaseException | None) -> None:
    """The server that did not start says why."""
    if not started.done():
        started.set_exception(error or RuntimeError("the server ended before it started"))
