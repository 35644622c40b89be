"""The composition root: the only place that names concrete engines and stores.

`create_app(settings, engine, store, probe)` builds the whole service; tests call it with parts of
their own, `from_environment` with the real ones.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from . import logs
from .assembly import assemble
from .catalog import Catalog, load_catalog
from .domain.addresses import AddressPlan, bridges_for
from .domain.errors import UnknownDistribution
from .engine.base import Engine
from .engine.docker import DockerEngine
from .engine.routing import Routing
from .service.background import Background
from .service.ledger import Clock, utc_now
from .service.readiness import Probe, ProxyProbe
from .settings import InvalidSettings, Settings, load_settings
from .store.base import Store
from .store.sql import SqlStore
from .web import api, catalogue, health, pages, sites
from .web.errors import HANDLERS
from .web.hosts import ByHost
from .web.notlive import not_live
from .web.requests import RequestLog
from .web.security import Gate
from .web.sharing import Sharing

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

    sharing = Sharing(settings.secret_key)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            await store.prepare()
            async with Background() as background:
                app.state.services = await assemble(
                    settings, catalog, engine, store, probe, now, gate, sharing, background
                )
                log.info("started", site=str(settings.site_url), distributions=len(catalog))
                yield
                log.info("stopping")
        finally:
            await probe.close()
            await engine.close()
            await store.close()

    by_host = ByHost(
        site=[*api.ROUTES, *health.ROUTES, *pages.routes, *catalogue.routes, *sites.routes],
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
