"""The instances' networks: made at the first start, kept until `make down`."""

import asyncio
import contextlib
import time
from ipaddress import IPv4Network
from typing import Any, Final

from docker.types import IPAMConfig, IPAMPool

from ..domain.addresses import RESERVED_ADDRESSES
from ..domain.engine_errors import EngineError
from .routing import managed_labels
from .sdk import Client, NotFound, Sdk

# Those who share a bridge do not reach each other, whether the firewall is there or not.
BRIDGE_OPTIONS: Final = {"com.docker.network.bridge.enable_icc": "false"}


async def ensure_network(sdk: Sdk, stack: str, name: str, subnet: IPv4Network) -> None:
    """Raises EngineError where the subnet cannot be had, or the network has another one."""
    network = await _find(sdk, name)
    if network is None:
        try:
            await sdk.call(lambda client: _create(client, stack, name, subnet))
        except EngineError as error:
            # A service started in the same moment was faster: Docker then complains of the name
            # or, while that one is still at it, of its subnet.
            network = await _find(sdk, name, patience=1.0)
            if network is None:
                raise _explained(error, subnet) from error
        else:
            return
    subnets = _subnets(network)
    if str(subnet) not in subnets:
        raise EngineError(
            f"The network “{name}” exists with {', '.join(subnets) or 'no subnet'}, and not with "
            f"{subnet}.",
            hint=f"Remove it (docker network rm {name}), or change DISTROS_NETWORK or "
            "DISTROS_SUBNET.",
        )


async def _find(sdk: Sdk, name: str, *, patience: float = 0.0) -> dict[str, Any] | None:
    """Looks for `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        with contextlib.suppress(NotFound):
            return await sdk.call(lambda client: _inspect(client, name))
        if time.monotonic() >= until:
            return None
        await asyncio.sleep(0.1)


def _inspect(client: Client, name: str) -> dict[str, Any]:
    return client.inspect_network(name)  # type: ignore[no-any-return]


def _create(client: Client, stack: str, name: str, subnet: IPv4Network) -> None:
    pool = IPAMPool(
        subnet=str(subnet),
        iprange=str(_automatic_range(subnet)),
        gateway=str(subnet.network_address + 1),
    )
    client.create_network(
        name,
        driver="bridge",
        options=BRIDGE_OPTIONS,
        ipam=IPAMConfig(pool_configs=[pool]),
        check_duplicate=True,  # older engines would make two of one name
        labels=managed_labels(stack),
    )


# What Docker says of a subnet that another network has, in part or as a whole.
_TAKEN = ("overlap", "allocate gateway")


def _explained(error: EngineError, subnet: IPv4Network) -> EngineError:
    if not any(sign in error.message for sign in _TAKEN):
        return error
    return EngineError(
        f"The subnet {subnet} overlaps with another network of this machine.",
        hint="Set DISTROS_SUBNET to one that is free.",
    )


def _automatic_range(subnet: IPv4Network) -> IPv4Network:
    """Where Docker picks the address of a container that brings none, such as Traefik's: the
    beginning, which no instance is ever given."""
    prefix = 32 - (RESERVED_ADDRESSES - 1).bit_length()
    return IPv4Network((subnet.network_address, prefix))


def _subnets(network: dict[str, Any]) -> list[str]:
    pools = (network.get("IPAM") or {}).get("Config") or []
    return [pool["Subnet"] for pool in pools if pool.get("Subnet")]
