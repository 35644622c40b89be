"""The labels an instance's container carries: ours (`distros.*`), and those Traefik reads.

Pure functions of our own ids and settings: nothing a visitor typed gets in here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Final

from ..domain.addresses import AddressPlan
from ..domain.naming import (
    LABEL_CREATED_AT,
    LABEL_DISTRIBUTION,
    LABEL_EXPIRES_AT,
    LABEL_INSTANCE,
    LABEL_MANAGED,
    LABEL_POOL,
    LABEL_STACK,
    MARKER_HEADER,
    bridge_names,
    router_name,
)

# Above the catch-all's 1. Explicit, because Traefik's default is the length of the rule.
PRIORITY: Final = 100

# Traefik's public one, in traefik/traefik.yml; without it a router binds to the admin's as well.
ENTRYPOINT: Final = "web"

# All are defined in traefik/dynamic/.
HEADERS_MIDDLEWARE: Final = "instance-headers@file"  # what browsers and search engines are told
NOT_LIVE_MIDDLEWARE: Final = "not-live@file"  # answers 502, 503 and 504 with our own pages
SERVERS_TRANSPORT: Final = "instances@file"  # gives up dialling after a second, not after thirty


@dataclass(frozen=True, slots=True)
class Routing:
    """What is the same for all instances of one installation."""

    stack: str
    domain: str  # instances are <name>-<id>.<domain>; without port
    network: str  # on which Traefik reaches the containers; the first bridge's name
    plan: AddressPlan

    @property
    def networks(self) -> tuple[str, ...]:
        """One for each bridge."""
        return bridge_names(
            self.network, len(self.plan.bridges), egress=self.plan.egress is not None
        )

    def network_of(self, address: IPv4Address) -> str:
        return self.networks[self.plan.bridge_of(address)]


def router_labels(
    routing: Routing, instance_id: str, port: int, address: IPv4Address
) -> dict[str, str]:
    """A router of its own for this instance, keyed by its id."""
    key = router_name(routing.stack, instance_id)
    marker = f"{key}-marker"
    router = f"traefik.http.routers.{key}"
    service = f"traefik.http.services.{key}.loadbalancer"
    header = f"traefik.http.middlewares.{marker}.headers.customresponseheaders.{MARKER_HEADER}"
    return {
        "traefik.enable": "true",
        "traefik.docker.network": routing.network_of(address),
        f"{router}.rule": host_rule(instance_id, routing.domain),
        f"{router}.entrypoints": ENTRYPOINT,
        f"{router}.priority": str(PRIORITY),
        f"{router}.service": key,
        # The marker is outermost: error pages carry it too.
        f"{router}.middlewares": f"{marker},{HEADERS_MIDDLEWARE},{NOT_LIVE_MIDDLEWARE}",
        header: instance_id,
        f"{service}.server.port": str(port),
        f"{service}.serverstransport": SERVERS_TRANSPORT,
    }


def host_rule(instance_id: str, domain: str) -> str:
    """The id routes, the name decorates. Anchored: Traefik's HostRegexp is not by itself."""
    escaped = domain.replace(".", r"\.")
    return f"HostRegexp(`^([a-z0-9-]+-)?{instance_id}\\.{escaped}$`)"


def managed_labels(stack: str) -> dict[str, str]:
    """On everything we create, networks included."""
    return {LABEL_MANAGED: "true", LABEL_STACK: stack}


def owner_labels(
    stack: str,
    instance_id: str,
    slug: str,
    *,
    created_at: datetime,
    expires_at: datetime,
    pooled: bool = False,
) -> dict[str, str]:
    """Enough to reap correctly after the database is lost."""
    pool = {LABEL_POOL: "true"} if pooled else {}
    return (
        managed_labels(stack)
        | pool
        | {
            LABEL_INSTANCE: instance_id,
            LABEL_DISTRIBUTION: slug,
            LABEL_CREATED_AT: created_at.astimezone(UTC).isoformat(),
            LABEL_EXPIRES_AT: expires_at.astimezone(UTC).isoformat(),
        }
    )
