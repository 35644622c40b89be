"""What an instance reaches, tried from where one would be.

A container of the image `distros-probe`, as confined as an instance and on its network, tries to
connect to whatever it must not reach: the machine on each of its addresses, Traefik, every service
of the stack, another instance, the addresses where clouds keep their machines' secrets, private
networks, name servers, the Internet. An answer is a leak, and so is a refusal: it came from there.
"""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

import docker.errors
import psutil

from ..engine.container import instance_of
from ..engine.routing import Routing, managed_labels
from ..engine.sdk import Client

IMAGE: Final = "distros-probe"
PATIENCE: Final = 10  # seconds; the probe itself takes two
SERVICE_PORTS: Final = (2375, 8000, 8080, 9000, 9989)  # of the stack's services
HOST_PORTS: Final = (22, 53, 80, 443, 2375, 5432, 8000, 8080, 9988, 9989)
ELSEWHERE: Final = {
    "tcp/169.254.169.254/80": "the cloud's metadata",
    "tcp/192.168.0.1/80": "a private network",
    "tcp/172.16.0.1/80": "a private network",
    "tcp/100.64.0.1/80": "a private network",
    "tcp/1.1.1.1/443": "the Internet",
    "udp/1.1.1.1/53": "a name server",
    "udp/8.8.8.8/53": "a name server",
}


class ProbeMissing(Exception):
    """The image, or the instances' network, is not there."""


@dataclass(frozen=True, slots=True)
class Leak:
    what: str  # such as "the machine"
    target: str  # such as "tcp/10.213.0.1/22"

    def __str__(self) -> str:
        return f"{self.what} ({self.target})"


def leaks(client: Client, routing: Routing) -> tuple[list[Leak], int]:
    """What was reached, and how much was tried. Raises ProbeMissing, docker.errors.APIError."""
    targets = dict(_targets(client, routing))
    said = [line.partition(" ") for line in _run(client, routing, list(targets)).splitlines()]
    if len(said) != len(targets):
        raise ProbeMissing("the probe has not said all")
    reached = [Leak(targets[target], target) for outcome, _, target in said if outcome != "silent"]
    return reached, len(targets)


def _targets(client: Client, routing: Routing) -> Iterator[tuple[str, str]]:
    """Each with what it is."""
    for address in _machine(routing):
        for port in HOST_PORTS:
            yield f"tcp/{address}/{port}", "the machine"
        yield f"udp/{address}/53", "the machine"
    for name, address in _services(client, routing.stack):
        for port in SERVICE_PORTS:
            yield f"tcp/{address}/{port}", name
    for address in _instances(client, routing.stack):
        yield f"tcp/{address}/8080", "another instance"
        yield f"tcp/{address}/22", "another instance"
    yield from ELSEWHERE.items()


def _machine(routing: Routing) -> Iterable[str]:
    """Its addresses, each bridge's gateway among them."""
    gateways = {str(bridge[1]) for bridge in routing.plan.bridges}
    found = {
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family is socket.AF_INET and not IPv4Address(each.address).is_loopback
    }
    return sorted(gateways | found)


def _services(client: Client, stack: str) -> Iterator[tuple[str, str]]:
    """Those of Compose, on all their networks."""
    filters = {"label": [f"com.docker.compose.project={stack}"]}
    for item in client.containers(filters=filters):
        name = item["Labels"].get("com.docker.compose.service", "a service")
        for network in item["NetworkSettings"]["Networks"].values():
            if network["IPAddress"]:
                yield name, network["IPAddress"]


def _instances(client: Client, stack: str) -> Iterator[str]:
    """A few of those that run."""
    labels = [f"{key}={value}" for key, value in managed_labels(stack).items()]
    for item in client.containers(filters={"label": labels})[:4]:
        if instance_of(item["Labels"], stack):
            for network in item["NetworkSettings"]["Networks"].values():
                yield network["IPAddress"]


def _run(client: Client, routing: Routing, targets: list[str]) -> str:
    """What it says. Raises ProbeMissing, docker.errors.APIError."""
    for address in _addresses(routing):
        try:
            return _run_at(client, routing, address, targets)
        except docker.errors.ImageNotFound:
            raise ProbeMissing(f"the image {IMAGE} is not there") from None
        except docker.errors.NotFound:
            raise ProbeMissing(f"the network {routing.network} is not there") from None
        except docker.errors.APIError as error:
            if "Address already in use" not in str(error.explanation):
                raise
    raise ProbeMissing("no address is free")


def _addresses(routing: Routing) -> Iterator[IPv4Address]:
    """A few that instances are given last."""
    bridge = routing.plan.bridges[0]
    return (bridge.broadcast_address - offset for offset in range(1, 10))


def _run_at(client: Client, routing: Routing, address: IPv4Address, targets: list[str]) -> str:
    endpoint = client.create_endpoint_config(ipv4_address=str(address))
    networks: Any = {routing.network: endpoint}
    container = client.create_container(
        IMAGE,
        command=targets,
        host_config=client.create_host_config(
            network_mode=routing.network,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            mem_limit=16 * 1024**2,
            pids_limit=8,
        ),
        networking_config=client.create_networking_config(networks),
        use_config_proxy=False,
    )
    try:
        client.start(container["Id"])
        client.wait(container["Id"], timeout=PATIENCE)
        return client.logs(container["Id"]).decode()
    finally:
        client.remove_container(container["Id"], v=True, force=True)
