"""Says in one sentence what would keep the stack from starting: a taken port, a taken subnet."""

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any


def taken_ports(variables: list[str]) -> Iterator[str]:
    """`variables` are `NAME=ADDRESS:PORT`."""
    for variable in variables:
        name, listen = variable.split("=", 1)
        address, _, port = listen.rpartition(":")
        try:
            socket.create_server((address, int(port))).close()
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            yield f"cannot listen on {listen}: {reason}{_listener(port)}. Set {name} to another."
        except (ValueError, OverflowError):
            yield f"{name} must be ADDRESS:PORT, such as 127.0.0.1:8080 (it is {listen!r})."


def taken_subnets(networks: list[str]) -> Iterator[str]:
    """`networks` are `NAME=SUBNET`. One of that name with that subnet is ours from before."""
    wanted = dict(each.split("=", 1) for each in networks)
    for name, subnet in wanted.items():
        yield from _taken_subnet(name, subnet, ours=set(wanted))


def _taken_subnet(name: str, subnet: str, ours: set[str]) -> Iterator[str]:
    variable = "DISTROS_EGRESS_SUBNET" if name.endswith("-egress") else "DISTROS_SUBNET"
    try:
        wanted = IPv4Network(subnet)
    except ValueError:
        yield f"{variable} must be a network such as 10.213.0.0/16 (it is {subnet!r})."
        return
    for network in _docker_networks():
        for pool in network["IPAM"]["Config"] or []:
            other = ip_network(pool.get("Subnet", "0.0.0.0/32"))
            if network["Name"] == name and other != wanted:
                yield (
                    f"the network {name} exists with {other}, not with {wanted}: `make down` "
                    f"removes it. Or change {variable} or DISTROS_CAPACITY back."
                )
            elif network["Name"] not in ours and other.version == 4 and wanted.overlaps(other):
                yield (
                    f"the subnet {wanted} overlaps with {other} of the Docker network "
                    f"{network['Name']}. Set {variable} to a free one."
                )


def _listener(port: str) -> str:
    """Which process listens there, as far as `ss` may tell."""
    try:
        command = ["ss", "-Hltnp", f"sport = :{port}"]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""
    _, _, users = found.partition('(("')
    program, _, rest = users.partition('"')
    _, _, pid = rest.partition("pid=")
    return f" by {program}, process {pid.split(',')[0]}" if program else ""


def _docker_networks() -> list[dict[str, Any]]:
    names = _output("docker", "network", "ls", "--quiet").split()
    networks: list[dict[str, Any]] = json.loads(_output("docker", "network", "inspect", *names))
    return networks


def _output(*command: str) -> str:
    """A network that goes between the two calls is a complaint, and the others are still told."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--listen", action="append", default=[], metavar="NAME=ADDRESS:PORT")
    parser.add_argument("--network", action="append", default=[], metavar="NAME=SUBNET")
    options = parser.parse_args()
    problems = [*taken_ports(options.listen), *taken_subnets(options.network)]
    for problem in problems:
        print(f"distros: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
