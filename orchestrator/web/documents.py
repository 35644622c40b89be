"""Instances and distributions as the outside sees them: for the API, the streams and the pages."""

from datetime import timedelta

from starlette.responses import Response

from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.models import Caller, Instance
from ..domain.naming import container_name, hostname
from ..domain.safeguards import Scope
from ..domain.tickets import one_time_path
from ..settings import Settings
from .schemas import (
    DistributionDocument,
    Document,
    EstimateDocument,
    InstanceDocument,
    LinksDocument,
    LoginDocument,
    StartupDocument,
)
from .services import Services


def answered(document: Document, status: int = 200, **headers: str) -> Response:
    return Response(
        document.model_dump_json(),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"} | headers,
    )


def shown_to(svc: Services, caller: Caller, instance: Instance) -> InstanceDocument:
    """Who may only read does not get the visitors' passwords; who sees everything gets what leads
    to the container."""
    try:
        distribution = svc.catalog.get(instance.distribution)
    except UnknownDistribution:  # it has left the catalogue since
        distribution = None
    renewable = svc.leases.renewable(instance, by_admin=caller.admin)
    remaining = svc.estimates.remaining(instance)
    address = site_address(instance, svc.settings)
    return InstanceDocument(
        id=instance.id,
        distribution=instance.distribution,
        name=instance.name,
        url=address + "/",
        state=instance.state,
        stage=instance.stage,
        reason=instance.reason,
        detail=instance.detail,
        created_at=instance.created_at,
        ready_at=instance.ready_at,
        expires_at=instance.expires_at,
        ended_at=instance.ended_at,
        lifetime=round(instance.lifetime / timedelta(seconds=1)),
        renewable=renewable,
        renewable_until=svc.leases.renewable_until(instance) if renewable else None,
        queue_position=svc.waiting.position(instance.id),
        estimate=EstimateDocument.of(*remaining) if remaining else None,
        login=None if caller.scope is Scope.READ else _login(instance, distribution, address),
        links=_links(svc, instance, distribution, address),
        take_away=svc.take_aways.possible(instance),
        timings=instance.timings,
        container=container_name(svc.settings.stack, instance.id) if caller.sees_all else None,
    )


def listing_of(svc: Services, distribution: Distribution) -> DistributionDocument:
    measured = svc.pace.startup(distribution.slug)
    return DistributionDocument(
        **distribution.model_dump(include={"slug", "name", "summary", "version", "category"}),
        homepage=str(distribution.homepage),
        lifetime=round(distribution.lifetime.total_seconds()),
        available=svc.images.launchable(distribution) and not svc.health.engine_away,
        coming=_coming(svc, distribution),
        startup=StartupDocument.of(measured) if measured else None,
    )


def _coming(svc: Services, distribution: Distribution) -> str | None:
    line = svc.images.coming(distribution.slug)
    if line is None:
        return None
    return "Being built" if distribution.image.build else line.sentence


def site_address(instance: Instance, settings: Settings) -> str:
    """`http://<name>-<id>.sandbox.localhost:8080`, without a slash at the end."""
    url = settings.instances_url
    host = hostname(instance.id, instance.name, settings.instance_domain)
    default = {"http": 80, "https": 443}[url.scheme]
    port = f":{url.port}" if url.port and url.port != default else ""
    return f"{url.scheme}://{host}{port}"


def _login(
    instance: Instance, distribution: Distribution | None, address: str
) -> LoginDocument | None:
    if distribution is None or distribution.login is None:
        return None
    login = distribution.login
    link = None
    if login.link and instance.password:
        link = address + one_time_path(login.link, instance.password)
    return LoginDocument(
        url=address + login.path,
        user=login.user,
        password=instance.password or login.password or "",
        link=link,
    )


def _links(
    svc: Services, instance: Instance, distribution: Distribution | None, address: str
) -> LinksDocument:
    if distribution is None:
        return LinksDocument()
    of_a_visitor = instance.by_visitor  # who has a cookie to come back with
    own_page = f"{svc.settings.site_origin}/instances/{instance.id}"
    database = of_a_visitor and distribution.database is not None
    terminal = of_a_visitor and bool(svc.terminals.command(instance))
    admin = distribution.links.admin
    return LinksDocument(
        admin=address + admin if admin else None,
        database=f"{own_page}/database" if database else None,
        terminal=f"{own_page}/terminal" if terminal else None,
    )
