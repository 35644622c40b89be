"""The containers that the orchestrator may create. Pure.

`keys.py` has what may be in a document at all; here is what depends on the stack and its catalogue:
image, rights, network and address, labels.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from pydantic import ValidationError

from ..catalog import Catalog
from ..domain.addresses import RESERVED_ADDRESSES
from ..domain.distribution import Distribution
from ..domain.fields import USER_NUMBER
from ..domain.naming import LABEL_DISTRIBUTION, LABEL_INSTANCE, container_name, is_instance_id
from ..engine.container import NO_NAME_SERVER
from ..engine.routing import Routing, managed_labels, router_labels
from . import documents
from .keys import Container
from .refusals import Refused

NO_NETWORK: Final = "none"
NO_ROUTE: Final = {"traefik.enable": "false"}


@dataclass(frozen=True, slots=True)
class Policy:
    """What one stack's orchestrator works with."""

    routing: Routing
    catalog: Catalog

    @property
    def stack(self) -> str:
        return self.routing.stack

    @property
    def networks(self) -> Mapping[str, IPv4Network]:
        return dict(zip(self.routing.networks, self.routing.plan.bridges, strict=True))

    @property
    def egress_network(self) -> str | None:
        """From which the Internet is reached."""
        subnet = self.routing.plan.egress
        return None if subnet is None else self.routing.network_of(subnet.network_address)

    def image(self, ref: str) -> Distribution:
        """The first whose image it is. Raises Refused."""
        return self.sharing(ref)[0]

    def sharing(self, ref: str) -> list[Distribution]:
        """All whose image it is; one without a tag means `latest`. Raises Refused."""
        sharing = [
            each for each in self.catalog if ref in (each.image.ref, f"{each.image.ref}:latest")
        ]
        if not sharing:
            raise Refused(f"{ref!r} is no image of the catalogue")
        return sharing


def admitted(body: bytes, name: str | None, policy: Policy) -> dict[str, Any]:
    """What may be created, as it was understood. Raises Refused."""
    try:
        container = Container.model_validate(documents.parse(body))
    except ValidationError as error:
        raise Refused(_first_problem(error)) from None
    _check_rights(container, policy.sharing(container.Image))
    address = _check_network(container, policy)
    _check_labels(container, name, address, policy)
    if container.HostConfig.MemorySwap != container.HostConfig.Memory:
        raise Refused("HostConfig.MemorySwap must be HostConfig.Memory: no swap")
    return container.model_dump(mode="json", exclude_none=True)


def _first_problem(error: ValidationError) -> str:
    """Such as "HostConfig.Privileged: Extra inputs are not permitted"; without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _check_rights(container: Container, sharing: Sequence[Distribution]) -> None:
    """What is weaker than usual, the catalogue asks for by name: the distribution of the label, or
    of a nudge or a probe, which have none, any of those with this image."""
    slug = container.Labels.get(LABEL_DISTRIBUTION)
    asking = [each for each in sharing if slug in (None, each.slug)]
    if not asking:
        raise Refused("Labels: the image is another distribution's")
    lacking = [_lacking(container, each) for each in asking]
    if all(lacking):
        raise Refused(f"{lacking[0]}: {asking[0].slug} does not ask for it")


def _lacking(container: Container, distribution: Distribution) -> str | None:
    """Where the container has more than its distribution asks for; None where it has not."""
    weaker, host = distribution.weaker, container.HostConfig
    if set(host.CapAdd or ()) - set(weaker.capabilities):
        return "HostConfig.CapAdd"
    limit = {"size": str(int(distribution.limits.disk))}
    if not host.ReadonlyRootfs and weaker.unlimited_disk is None and host.StorageOpt != limit:
        return "HostConfig.StorageOpt"
    if host.NetworkMode == NO_NETWORK:  # a nudge, or a probe of the disk
        return None
    if weaker.writable_root is None and not host.ReadonlyRootfs:
        return "HostConfig.ReadonlyRootfs"
    if weaker.root_user is None and not re.fullmatch(USER_NUMBER, container.User or ""):
        return "User"
    return None


def _check_network(container: Container, policy: Policy) -> IPv4Address | None:
    """The address that it gets; None where the engine chooses one, or it has no network."""
    mode = container.HostConfig.NetworkMode
    networking = container.NetworkingConfig
    endpoints = (networking.EndpointsConfig if networking else None) or {}
    if mode != NO_NETWORK and mode not in policy.networks:
        raise Refused(f"HostConfig.NetworkMode must be {NO_NETWORK} or one of the instances'")
    shut = mode not in (NO_NETWORK, policy.egress_network)
    if shut and container.HostConfig.Dns != NO_NAME_SERVER:
        raise Refused(f"HostConfig.Dns must be {NO_NAME_SERVER}: questions would leave elsewhere")
    if not endpoints:
        return None
    if mode == NO_NETWORK or set(endpoints) != {mode}:
        raise Refused("NetworkingConfig may name the network of HostConfig.NetworkMode alone")
    config = endpoints[mode].IPAMConfig
    if config is None:
        return None
    subnet = policy.networks[mode]
    try:
        address = IPv4Address(config.IPv4Address)
    except ValueError:
        raise Refused("NetworkingConfig: IPv4Address is none") from None
    if address not in subnet or int(address) - int(subnet.network_address) < RESERVED_ADDRESSES:
        raise Refused("NetworkingConfig: IPv4Address is not one that instances are given")
    return address


def _check_labels(
    container: Container, name: str | None, address: IPv4Address | None, policy: Policy
) -> None:
    """An instance's router is the one that `engine/routing.py` makes; others have none."""
    labels, stack = container.Labels, policy.stack
    if not managed_labels(stack).items() <= labels.items():
        raise Refused(f"Labels must have {managed_labels(stack)}")
    if others := [key for key in labels if not key.startswith(("distros.", "traefik."))]:
        raise Refused(f"Labels: {others[0]!r} is none of ours")
    routed = {key: value for key, value in labels.items() if key.startswith("traefik.")}
    instance = labels.get(LABEL_INSTANCE)
    out = container.HostConfig.NetworkMode == policy.egress_network
    if instance is None:
        if container.HostConfig.NetworkMode != NO_NETWORK:
            raise Refused("HostConfig.NetworkMode: only an instance has a network")
        if routed and routed != NO_ROUTE:
            raise Refused("Labels: without an instance there is no route")
        if name is not None and not name.startswith(f"{stack}-"):
            raise Refused(f"a name must begin with {stack}-")
        return
    if not is_instance_id(instance) or name != container_name(stack, instance):
        raise Refused("an instance's container is named for its id")
    distribution = _distribution(labels.get(LABEL_DISTRIBUTION, ""), container.Image, policy)
    if out and not distribution.reaches_out:
        raise Refused(f"HostConfig.NetworkMode: {distribution.slug} asks for no egress")
    if address is None:
        raise Refused("an instance needs an address")
    if not container.HostConfig.CpuShares or not container.HostConfig.NanoCpus:
        raise Refused("HostConfig.CpuShares, NanoCpus: an instance has a share and a limit")
    if routed != router_labels(policy.routing, instance, distribution.port, address):
        raise Refused("Labels: the route is not an instance's own")


def _distribution(slug: str, ref: str, policy: Policy) -> Distribution:
    """Several may share an image."""
    for distribution in policy.catalog:
        if (distribution.slug, distribution.image.ref) == (slug, ref):
            return distribution
    raise Refused("Labels: the image is another distribution's")
