"""The instances' network: made at the first start, kept until `make down`."""

import contextlib
from ipaddress import IPv4Network
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from ..domain.errors import EngineError
from .base import RESERVED_ADDRESSES
from .routing import Routing, managed_labels
from .sdk import Client, Conflict, NotFound, Sdk


async def ensure_network(sdk: Sdk, routing: Routing, subnet: IPv4Network) -> None:
    """Raises EngineError where the subnet cannot be had, or the network has another one."""
    name = routing.network
    try:
        network = await sdk.call(lambda client: client.inspect_network(name))
    except NotFound:
        await _create(sdk, routing, subnet)
        network = await sdk.call(lambda client: client.inspect_network(name))
    subnets = _subnets(network)
    if str(subnet) not in subnets:
        raise EngineError(
            f"The network “{name}” exists with {', '.join(subnets) or 'no subnet'}, and not with "
            f"{subnet}.",
            hint=f"Remove it (docker network rm {name}), or change DISTROS_NETWORK or "
            "DISTROS_SUBNET.",
        )


async def _create(sdk: Sdk, routing: Routing, subnet: IPv4Network) -> None:
    pool = IPAMPool(
        subnet=str(subnet),
        iprange=str(_automatic_range(subnet)),
        gateway=str(subnet.network_address + 1),
    )

    def create(client: Client) -> None:
        client.create_network(
            routing.network,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            check_duplicate=True,  # older engines would make two of one name
            labels=managed_labels(routing.stack),
        )

    try:
        with contextlib.suppress(Conflict):  # another service, started in the same moment
            await sdk.call(create)
    except EngineError as error:
        if "overlap" not in error.message:
            raise
        raise EngineError(
            f"The subnet {subnet} overlaps with another network of this machine.",
            hint="Set DISTROS_SUBNET to one that is free.",
        ) from error


def _automatic_range(subnet: IPv4Network) -> IPv4Network:
    """Where Docker picks the address of a container that brings none, such as Traefik's: the
    beginning, which no instance is ever given."""
    prefix = 32 - (RESERVED_ADDRESSES - 1).bit_length()
    return IPv4Network((subnet.network_address, prefix))


def _subnets(network: dict[str, Any]) -> list[str]:
    pools = (network.get("IPAM") or {}).get("Config") or []
    return [pool["Subnet"] for pool in pools if pool.get("Subnet")]
