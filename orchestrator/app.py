"""The composition root: the only place that names concrete engines and stores.

`create_app(settings, engine, store, probe)` builds the whole service; tests call it with parts of
their own, `from_environment` with the real ones.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from . import logs
from .catalog import Catalog, load_catalog
from .domain.addresses import AddressPlan, bridges_for
from .domain.errors import UnknownDistribution
from .engine.base import Engine
from .engine.docker import DockerEngine
from .engine.routing import Routing
from .service.background import Background
from .service.deadlines import Deadlines
from .service.endings import Endings
from .service.health import Health
from .service.images import Images
from .service.launcher import Launcher, LaunchPolicy
from .service.leases import Leases
from .service.ledger import Clock, Ledger, utc_now
from .service.pace import Pace
from .service.pool import Pool, PoolPolicy
from .service.queue import Queue, QueuePolicy
from .service.readiness import Probe, ProxyProbe
from .service.reaper import Reaper
from .service.starter import Starter
from .settings import InvalidSettings, Settings, load_settings
from .store.base import Store
from .store.sql import SqlStore
from .web import api, health, pages
from .web.errors import HANDLERS
from .web.hosts import ByHost
from .web.notlive import not_live
from .web.requests import RequestLog
from .web.security import Gate
from .web.services import Services

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    catalog: Catalog,
    engine: Engine,
    store: Store,
    probe: Probe,
    now: Clock = utc_now,
) -> Starlette:
    """The service; its lifespan opens and closes engine, store and probe."""
    if settings.secret_key is None:
        raise InvalidSettings("DISTROS_SECRET_KEY: is required; `openssl rand -hex 32` makes one")
    try:
        catalog = catalog.with_pools(settings.pools)
    except UnknownDistribution as error:
        raise InvalidSettings(f"DISTROS_POOLS: {error.message}") from error

    gate = Gate(
        secret_key=settings.secret_key,
        admin_token=settings.admin_token,
        site_url=str(settings.site_url),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            await store.prepare()
            async with Background() as background:
                services = await assemble(
                    settings, catalog, engine, store, probe, now, gate, background
                )
                app.state.services = services
                log.info("started", site=str(settings.site_url), distributions=len(catalog))
                yield
                log.info("stopping")
        finally:
            await probe.close()
            await engine.close()
            await store.close()

    by_host = ByHost(
        site=[*api.ROUTES, *health.ROUTES, *pages.routes],
        not_live=not_live,
        site_domain=settings.site_domain,
        instances=settings.instance_domain,
    )
    return Starlette(
        routes=[Mount("/", app=by_host)],
        middleware=[Middleware(RequestLog)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )


async def assemble(
    settings: Settings,
    catalog: Catalog,
    engine: Engine,
    store: Store,
    probe: Probe,
    now: Clock,
    gate: Gate,
    background: Background,
) -> Services:
    """Everything that decides, knowing what the store knows, with its loops running."""
    ledger = Ledger(store, now)
    deadlines = Deadlines(ledger)
    pace = Pace(ledger)
    images = Images(catalog, engine, bring=settings.bring_images)
    health = Health(engine, store, probe, background, site_host=settings.site_domain)
    endings = Endings(engine, ledger, background)
    starter = Starter(
        catalog,
        engine,
        ledger,
        probe,
        endings,
        pace,
        instance_domain=settings.instance_domain,
        max_lifetime=settings.max_lifetime,
    )
    pool = Pool(
        catalog,
        ledger,
        endings,
        images,
        pace,
        probe,
        PoolPolicy(settings.pool_limit, int(settings.pool_reserve), available_memory),
        instance_domain=settings.instance_domain,
    )
    queue = Queue(
        catalog,
        ledger,
        starter,
        pool,
        endings,
        deadlines,
        pace,
        background,
        QueuePolicy(settings.capacity, settings.start_concurrency),
    )
    launcher = Launcher(
        catalog,
        ledger,
        pool,
        images,
        health,
        deadlines,
        pace,
        LaunchPolicy(settings.capacity, settings.queue_limit, settings.max_lifetime),
    )
    reaper = Reaper(
        engine,
        ledger,
        queue,
        endings,
        deadlines,
        images,
        health,
        background,
        history=settings.history,
    )
    await ledger.load()
    await pace.load()
    await images.first_look()
    for name, loop in {
        "deadlines": reaper.expire,
        "events": reaper.events,
        "forget": reaper.forget,
        "queue": queue.run,
        "pool": pool.tend,
        "images": images.watch,
        "missing images": images.bring,
    }.items():
        background.loop(loop, name=name)
    return Services(
        settings=settings,
        catalog=catalog,
        ledger=ledger,
        launcher=launcher,
        leases=Leases(ledger, endings, engine, max_lifetime=settings.max_lifetime),
        queue=queue,
        pool=pool,
        pace=pace,
        images=images,
        health=health,
        gate=gate,
    )


def available_memory() -> int:
    """Bytes on this machine, which is the engine's; a container sees the machine's figures too."""
    return int(psutil.virtual_memory().available)


def from_environment() -> Starlette:
    """The service with its real parts. Raises InvalidSettings, InvalidCatalog."""
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    return create_app(
        settings,
        catalog=load_catalog(settings.distributions_dir),
        engine=docker_engine(settings),
        store=SqlStore(settings.database_url, address_plan(settings)),
        probe=ProxyProbe(str(settings.proxy_url)),
    )


def address_plan(settings: Settings) -> AddressPlan:
    return AddressPlan(settings.subnet, bridges_for(settings.capacity))


def docker_engine(settings: Settings) -> DockerEngine:
    routing = Routing(
        stack=settings.stack,
        domain=settings.instance_domain,
        entrypoint=settings.entrypoint,
        network=settings.network,
        plan=address_plan(settings),
    )
    return DockerEngine(
        settings.docker_url,
        routing=routing,
        timeout=settings.engine_timeout.total_seconds(),
        relist_interval=settings.relist_interval.total_seconds(),
    )
