"""The bridges on which so many instances find room: `bridges.py NETWORK SUBNET CAPACITY`.

Prints one a line: its network's name, its subnet, and Traefik's address on it. With --compose FILE
it also writes what docker-compose.yml lacks for more than one: a network for each of the others,
and Traefik on all of them.
"""

import argparse
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from orchestrator.domain.addresses import AddressPlan, bridges_for
from orchestrator.domain.naming import bridge_names
from orchestrator.engine.network import BRIDGE_OPTIONS


def compose_file(names: list[str], subnets: tuple[IPv4Network, ...]) -> dict[str, Any]:
    """The first bridge is Compose's own network `sandbox`."""
    keys = ["sandbox", *names[1:]]
    labels = {"distros.managed": "true", "distros.stack": "${DISTROS_STACK:-distros}"}
    networks = {
        name: {
            "name": name,
            "labels": labels,
            "driver_opts": BRIDGE_OPTIONS,
            "ipam": {"config": [{"subnet": str(subnet)}]},
        }
        for name, subnet in zip(names[1:], subnets[1:], strict=True)
    }
    addresses = {
        key: {"ipv4_address": str(subnet[2])} for key, subnet in zip(keys, subnets, strict=True)
    }
    return {"services": {"traefik": {"networks": addresses}}, "networks": networks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("network")
    parser.add_argument("subnet", type=IPv4Network)
    parser.add_argument("capacity", type=int)
    parser.add_argument("--compose", type=Path, metavar="FILE")
    options = parser.parse_args()
    count = bridges_for(options.capacity)
    subnets = AddressPlan(options.subnet, count).bridges
    names = list(bridge_names(options.network, count))
    if options.compose:
        options.compose.unlink(missing_ok=True)
        if count > 1:
            options.compose.write_text(yaml.safe_dump(compose_file(names, subnets)))
    for name, subnet in zip(names, subnets, strict=True):
        print(name, subnet, subnet[2])


if __name__ == "__main__":
    main()
