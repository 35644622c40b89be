"""Instances and distributions as the outside sees them: for the API, the streams and the pages."""

from starlette.responses import Response

from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.models import Caller, Instance
from ..domain.naming import container_name
from ..domain.safeguards import Scope
from .schemas import (
    DistributionDocument,
    Document,
    EstimateDocument,
    InstanceDocument,
    StartupDocument,
    distribution_document,
    instance_document,
)
from .services import Services


def answered(document: Document, status: int = 200, **headers: str) -> Response:
    return Response(
        document.model_dump_json(),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"} | headers,
    )


def document_of(svc: Services, instance: Instance) -> InstanceDocument:
    try:
        distribution = svc.catalog.get(instance.distribution)
    except UnknownDistribution:  # it has left the catalogue since
        distribution = None
    remaining = svc.estimates.remaining(instance)
    of_a_visitor = instance.owner.startswith("v-")  # who has a cookie to come back with
    return instance_document(
        instance,
        distribution,
        svc.settings,
        renewable=svc.leases.renewable(instance),
        take_away=svc.take_aways.possible(instance),
        queue_position=svc.waiting.position(instance.id),
        estimate=EstimateDocument.of(*remaining) if remaining else None,
        terminal=of_a_visitor and bool(svc.terminals.command(instance)),
        database=of_a_visitor and distribution is not None and distribution.database is not None,
    )


def shown_to(svc: Services, caller: Caller, instance: Instance) -> InstanceDocument:
    """Who may only read does not get the visitors' passwords; who sees everything gets what leads
    to the container."""
    document = document_of(svc, instance)
    changes: dict[str, object] = {}
    if caller.scope is Scope.READ:
        changes["login"] = None
    if caller.sees_all:
        changes["renewable"] = svc.leases.renewable(instance, by_admin=caller.admin)
        changes["container"] = container_name(svc.settings.stack, instance.id)
    return document.model_copy(update=changes)


def listing_of(svc: Services, distribution: Distribution) -> DistributionDocument:
    measured = svc.pace.startup(distribution.slug)
    return distribution_document(
        distribution,
        available=svc.images.launchable(distribution) and not svc.health.engine_away,
        coming=svc.images.coming(distribution.slug),
        startup=StartupDocument.of(measured) if measured else None,
    )
