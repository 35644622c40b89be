"""Instances as the outside sees them: for the API, the event streams and the pages."""

from ..domain.errors import UnknownDistribution
from ..domain.models import Instance
from .schemas import InstanceDocument, instance_document
from .services import Services


async def document_of(svc: Services, instance: Instance) -> InstanceDocument:
    try:
        distribution = svc.catalog.get(instance.distribution)
    except UnknownDistribution:  # it has left the catalogue since
        distribution = None
    return instance_document(
        instance,
        distribution,
        svc.settings,
        renewable=svc.leases.renewable(instance),
        queue_position=await svc.ledger.store.queue_position(instance),
    )
