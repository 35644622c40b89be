"""The composition root: the only place that names concrete engines and stores.

`create_app(settings, engine, store, probe, routes)` builds the whole service; tests call it with
parts of their own, `from_environment` with the real ones.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from . import failpoints, logs
from .assembly import assemble
from .catalog import Catalog, load_catalog
from .domain.errors import UnknownDistribution
from .domain.fair_share import Machine
from .engine.base import Engine
from .engine.docker import DockerEngine
from .layout import address_plan, routing
from .measured import measured_engine, measured_store
from .metrics import Metrics
from .policies import this_machine
from .service.admin_secrets import AdminSecrets
from .service.background import Background
from .service.captcha import CaptchaVerifier, NoCaptcha
from .service.captcha.proof_of_work import ProofOfWork
from .service.captcha.siteverify import SiteVerify
from .service.clock import SteadyClock
from .service.ledger import Clock, utc_now
from .service.readiness import Probe, ProxyProbe
from .service.routes import NoRoutes, Routes, TraefikRoutes
from .service.tokens import Tokens
from .settings import InvalidSettings, Settings, load_settings
from .store.base import Store
from .store.sql import SqlStore
from .web import (
    admin,
    api,
    catalogue,
    database,
    health,
    pages,
    portainer,
    sites,
    take_away,
    terminal,
)
from .web import metrics as metrics_page
from .web.clients import Clients
from .web.errors import HANDLERS
from .web.headers import SecurityHeaders
from .web.hosts import ByHost
from .web.notlive import not_live
from .web.requests import RequestLog
from .web.security import Gate
from .web.sessions import AdminSessions
from .web.sharing import Sharing

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    catalog: Catalog,
    engine: Engine,
    store: Store,
    probe: Probe,
    routes: Routes | None = None,
    now: Clock = utc_now,
    machine: Callable[[], Machine] = this_machine,
) -> Starlette:
    """The service; its lifespan opens and closes engine, store, probe and routes."""
    routes = routes or NoRoutes()
    if settings.secret_key is None:
        raise InvalidSettings("DISTROS_SECRET_KEY: is required; `openssl rand -hex 32` makes one")
    try:
        catalog = catalog.with_pools(settings.pools)
    except UnknownDistribution as error:
        raise InvalidSettings(f"DISTROS_POOLS: {error.message}") from error
    catalog = catalog.with_lifetimes_up_to(settings.max_lifetime)

    tokens = Tokens(store, now)
    captcha = captcha_verifier(settings, store, now)
    gate = Gate(
        secret_key=settings.secret_key,
        admin_token=settings.admin_token,
        site_origin=settings.site_origin,
        tokens=tokens,
        clients=Clients(
            secret_key=settings.secret_key,
            trusted_proxies=settings.trusted_proxies,
            outer_proxies=settings.outer_proxies,
        ),
    )

    admin_secrets = AdminSecrets(settings.admin_token, settings.admin_password_hash)
    sharing = Sharing(settings.secret_key)
    admin_sessions = AdminSessions(
        store.safeguards,
        now,
        secret_key=settings.secret_key,
        admin_secrets=admin_secrets,
        tls=settings.site_url.scheme == "https",
    )
    metrics = Metrics()
    engine = measured_engine(engine, metrics)
    store = measured_store(store, metrics)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            await store.prepare()
            async with Background() as background:
                app.state.services = await assemble(
                    settings=settings,
                    catalog=catalog,
                    engine=engine,
                    store=store,
                    probe=probe,
                    routes=routes,
                    now=now,
                    machine=machine,
                    captcha=captcha,
                    tokens=tokens,
                    gate=gate,
                    admin_secrets=admin_secrets,
                    sharing=sharing,
                    admin_sessions=admin_sessions,
                    metrics=metrics,
                    background=background,
                )
                log.info("started", site=str(settings.site_url), distributions=len(catalog))
                yield
                log.info("stopping")
        finally:
            await captcha.close()
            await probe.close()
            await routes.close()
            await engine.close()
            await store.close()

    by_host = ByHost(
        site=[
            *api.ROUTES,
            *health.ROUTES,
            *metrics_page.ROUTES,
            *admin.ROUTES,
            *pages.routes,
            *catalogue.routes,
            *portainer.ROUTES,
            *sites.routes,
            *take_away.routes,
            *terminal.routes,
            *database.routes,
        ],
        not_live=not_live,
        scheme=settings.site_url.scheme,
        site_domain=settings.site_domain,
        instances=settings.instance_domain,
    )
    return Starlette(
        routes=[Mount("/", app=by_host)],
        middleware=[
            Middleware(RequestLog),
            Middleware(SecurityHeaders, tls=settings.site_url.scheme == "https"),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )


def from_environment() -> Starlette:
    """The service with its real parts. Raises InvalidSettings, InvalidCatalog."""
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    try:
        failpoints.arm_from_environment()
    except failpoints.UnknownFailpoint as error:
        raise InvalidSettings(f"{failpoints.VARIABLE}: {error}") from error
    return create_app(
        settings,
        catalog=load_catalog(settings.distributions_dir),
        engine=docker_engine(settings),
        store=sql_store(settings),
        probe=ProxyProbe(str(settings.proxy_url)),
        routes=proxy_routes(settings),
        now=SteadyClock(),
    )


def captcha_verifier(settings: Settings, store: Store, now: Clock) -> CaptchaVerifier:
    """Raises InvalidSettings."""
    kind = settings.captcha
    if kind == "none":
        return NoCaptcha()
    assert settings.secret_key is not None
    if kind == "altcha":
        return ProofOfWork(
            store.safeguards,
            now,
            secret_key=settings.secret_key,
            complexity=settings.captcha_complexity,
            patient_launches=settings.launches_without_javascript,
        )
    if not settings.captcha_site_key or not settings.captcha_secret:
        raise InvalidSettings(
            f"DISTROS_CAPTCHA: {kind} needs DISTROS_CAPTCHA_SITE_KEY and DISTROS_CAPTCHA_SECRET; "
            "altcha needs neither"
        )
    return SiteVerify(
        store.safeguards,
        now,
        kind=kind,
        site_key=settings.captcha_site_key,
        secret=settings.captcha_secret,
        hostname=settings.site_domain,
        verify_url=str(settings.captcha_verify_url) if settings.captcha_verify_url else None,
    )


def proxy_routes(settings: Settings) -> Routes:
    admin_url = settings.proxy_admin_url
    return TraefikRoutes(str(admin_url)) if admin_url else NoRoutes()


def sql_store(settings: Settings) -> SqlStore:
    return SqlStore(settings.database_url, address_plan(settings))


def docker_engine(settings: Settings) -> DockerEngine:
    return DockerEngine(
        settings.docker_url,
        routing=routing(settings),
        timeout=settings.engine_timeout.total_seconds(),
        relist_interval=settings.relist_interval.total_seconds(),
    )
