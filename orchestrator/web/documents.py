"""Instances and distributions as the outside sees them: for the API, the streams and the pages."""

from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.models import Instance
from .schemas import (
    DistributionDocument,
    EstimateDocument,
    InstanceDocument,
    StartupDocument,
    distribution_document,
    instance_document,
)
from .services import Services


def document_of(svc: Services, instance: Instance) -> InstanceDocument:
    try:
        distribution = svc.catalog.get(instance.distribution)
    except UnknownDistribution:  # it has left the catalogue since
        distribution = None
    remaining = svc.estimates.remaining(instance)
    return instance_document(
        instance,
        distribution,
        svc.settings,
        renewable=svc.leases.renewable(instance),
        queue_position=svc.waiting.position(instance.id),
        estimate=EstimateDocument.of(*remaining) if remaining else None,
    )


def listing_of(svc: Services, distribution: Distribution) -> DistributionDocument:
    measured = svc.pace.startup(distribution.slug)
    return distribution_document(
        distribution,
        available=svc.images.launchable(distribution) and not svc.health.engine_away,
        coming=svc.images.coming(distribution.slug),
        startup=StartupDocument.of(measured) if measured else None,
    )
