"""Where instances are, as the settings say: their addresses, networks and hostnames."""

from .domain.addresses import AddressPlan, bridges_for
from .engine.routing import Routing
from .settings import Settings


def address_plan(settings: Settings) -> AddressPlan:
    return AddressPlan(
        settings.subnet, bridges_for(settings.capacity), egress=settings.egress_subnet
    )


def routing(settings: Settings) -> Routing:
    return Routing(
        stack=settings.stack,
        domain=settings.instance_domain,
        network=settings.network,
        plan=address_plan(settings),
    )
