"""What an instance reaches on the real stack: nothing. And who reaches it: Traefik."""

import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from .stack import DISTROS, Stack, docker, running_stack

NAMESPACE = "distros-outside"
OUTSIDE, INSIDE = "198.51.100.2", "198.51.100.1"  # stands for the Internet, and the way there
PORT = 28099

LISTENER = """
import http.server, socket, threading
server = http.server.ThreadingHTTPServer(("0.0.0.0", 80), http.server.BaseHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("0.0.0.0", 53))
print("listening", flush=True)
while True:
    question, client = names.recvfrom(512)
    names.sendto(question, client)
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """A machine beyond this one, with a site and a name server."""
    with namespace():
        process = subprocess.Popen(
            ["ip", "netns", "exec", NAMESPACE, "python3", "-c", LISTENER],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield OUTSIDE
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextmanager
def namespace() -> Iterator[None]:
    run("ip", "netns", "add", NAMESPACE)
    try:
        inside = ["ip", "-n", NAMESPACE]
        run("ip", "link", "add", "distros-out", "type", "veth", "peer", "in", "netns", NAMESPACE)
        run("ip", "address", "add", f"{INSIDE}/24", "dev", "distros-out")
        run("ip", "link", "set", "distros-out", "up")
        run(*inside, "address", "add", f"{OUTSIDE}/24", "dev", "in")
        run(*inside, "link", "set", "in", "up")
        run(*inside, "route", "add", "default", "via", INSIDE)
        yield
    finally:
        run("ip", "netns", "delete", NAMESPACE)


@pytest.fixture(scope="module")
def machine() -> Iterator[int]:
    """A port on which this machine answers, at each of its addresses."""
    handler = http.server.BaseHTTPRequestHandler
    with http.server.ThreadingHTTPServer(("0.0.0.0", PORT), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield PORT
        server.shutdown()


def addresses(container: str) -> list[str]:
    networks = json.loads(docker("inspect", container))[0]["NetworkSettings"]["Networks"]
    return [each["IPAddress"] for each in networks.values() if each["IPAddress"]]


def gateway(network: str) -> str:
    """The machine's own address there: the first."""
    (config,) = json.loads(docker("network", "inspect", network))[0]["IPAM"]["Config"]
    return str(IPv4Network(config["Subnet"])[1])


def probe(network: str, *targets: str) -> dict[str, str]:
    """What became of each, from a container as confined as an instance."""
    said = docker(
        *("run", "--rm", "--network", network, "--cap-drop", "ALL", "--read-only"),
        *("--security-opt", "no-new-privileges", "distros-probe", *targets),
    )
    return {target: outcome for outcome, target in map(str.split, said.splitlines())}


def host_address() -> str:
    """The one by which this machine reaches others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((OUTSIDE, 9))
        return str(asked.getsockname()[0])


@pytest.fixture(scope="module")
def forbidden(stack: Stack, outside: str, machine: int) -> dict[str, list[str]]:
    """Targets by what they are; something answers at each but the last two."""
    sandbox = f"{stack.name}-sandbox"
    sibling = stack.launch("hello", lifetime=600)["id"]

    def service(name: str, *ports: int) -> list[str]:
        found = addresses(f"{stack.name}-{name}-1")
        return [f"tcp/{address}/{port}" for address in found for port in ports]

    return {
        "a sibling": [f"tcp/{each}/8080" for each in addresses(f"{stack.name}-{sibling}")],
        "the machine, at the bridge": [f"tcp/{gateway(sandbox)}/{machine}"],
        "the machine, at another bridge": [f"tcp/{gateway(f'{stack.name}_edge')}/{machine}"],
        "the machine, at its own address": [f"tcp/{host_address()}/{machine}"],
        "the orchestrator": service("orchestrator", 8000),
        "Traefik's sites": service("traefik", 8080),
        "Traefik's admin entrypoint": service("traefik", 9989),
        "the orchestrator's guard": service("socket-guard", 2375),
        "Traefik's socket proxy": service("socket-proxy-traefik", 2375),
        "the Internet": [f"tcp/{outside}/80"],
        "a name server": [f"udp/{outside}/53"],
        "the cloud's metadata": ["tcp/169.254.169.254/80"],
        "private networks": ["tcp/192.168.0.1/80", "tcp/172.16.0.1/80", "tcp/10.0.0.1/80"],
    }


CELLS = [
    "a sibling",
    "the machine, at the bridge",
    "the machine, at another bridge",
    "the machine, at its own address",
    "the orchestrator",
    "Traefik's sites",
    "Traefik's admin entrypoint",
    "the orchestrator's guard",
    "Traefik's socket proxy",
    "the Internet",
    "a name server",
    "the cloud's metadata",
    "private networks",
]


@pytest.fixture(scope="module")
def seen(stack: Stack, forbidden: dict[str, list[str]]) -> dict[str, str]:
    targets = [each for targets in forbidden.values() for each in targets]
    return probe(f"{stack.name}-sandbox", *targets)


@pytest.mark.parametrize("cell", CELLS)
def test_an_instance_does_not_reach(
    cell: str, forbidden: dict[str, list[str]], seen: dict[str, str]
) -> None:
    assert {seen[target] for target in forbidden[cell]} == {"silent"}


def test_somebody_would_have_answered(stack: Stack, forbidden: dict[str, list[str]]) -> None:
    """From a network without the firewall, or for whoever has business there."""
    for cell, network in {
        "the machine, at another bridge": f"{stack.name}_edge",
        "the Internet": f"{stack.name}_edge",
        "a name server": f"{stack.name}_edge",
        "the orchestrator": f"{stack.name}_edge",
        "Traefik's admin entrypoint": f"{stack.name}_edge",
        "the orchestrator's guard": f"{stack.name}_orchestrator-docker",
        "Traefik's socket proxy": f"{stack.name}_traefik-docker",
    }.items():
        assert "reached" in probe(network, *forbidden[cell]).values(), cell


def test_traefik_reaches_it(stack: Stack) -> None:
    document = stack.launch("hello")
    assert stack.get(document["url"]).headers["X-Distros-Instance"] == document["id"]


def test_there_is_no_other_protocol_beside(stack: Stack) -> None:
    (network,) = json.loads(docker("network", "inspect", f"{stack.name}-sandbox"))
    assert not network["EnableIPv6"]
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"


# -- the firewall itself ---------------------------------------------------------------------------


def firewall(stack: Stack, *words: str) -> str:
    return docker("exec", f"{stack.name}-firewall-1", "firewall", *words)


def rules(stack: Stack) -> list[str]:
    """All that name this stack, of both protocols."""
    saved = run("iptables-save").splitlines() + run("ip6tables-save").splitlines()
    return [line for line in saved if f"{stack.name}-fwd" in line or f"{stack.name}-in" in line]


def until_back(stack: Stack, before: list[str]) -> None:
    give_up = time.monotonic() + 20
    while sorted(rules(stack)) != sorted(before):
        assert time.monotonic() < give_up, "the rules are still gone"
        time.sleep(0.2)


def test_applied_twice_it_is_the_same(stack: Stack) -> None:
    before = rules(stack)
    firewall(stack, "apply")
    firewall(stack, "apply")
    assert before and rules(stack) == before


def test_rules_that_somebody_took_away_come_back(stack: Stack) -> None:
    before = rules(stack)
    run("iptables", "-w", "-D", "INPUT", "-j", f"{stack.name}-in")
    run("iptables", "-w", "-F", f"{stack.name}-fwd")
    until_back(stack, before)
    firewall(stack, "check")


def test_doctor_tries_it_and_says_what_is_open(stack: Stack) -> None:
    def isolation() -> dict[str, str]:
        found = json.loads(
            subprocess.run(
                [DISTROS, "doctor", "--json"],
                env=stack.environment,
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
        )
        (finding,) = [each for each in found if each["about"] == "isolation"]
        return dict(finding)

    before = rules(stack)
    assert isolation()["verdict"] == "ok"
    docker("pause", f"{stack.name}-firewall-1")
    try:
        run("iptables", "-w", "-D", "INPUT", "-j", f"{stack.name}-in")
        finding = isolation()
    finally:
        docker("unpause", f"{stack.name}-firewall-1")
    until_back(stack, before)
    assert finding["verdict"] == "problem"
    assert "an instance reaches the machine (tcp/" in finding["said"]
    assert finding["do"] == "`make up` applies the firewall"


def test_down_leaves_the_rules_as_they_were(tmp_path: Path) -> None:
    def others() -> list[str]:
        """The chains in which the stack has a rule; Docker's own come and go with networks."""
        return [run("iptables", "-w", "-S", chain) for chain in ("INPUT", "DOCKER-USER")] + [
            run("ip6tables", "-w", "-S", chain) for chain in ("INPUT", "FORWARD")
        ]

    before = others()
    with running_stack(
        tmp_path,
        name="distros-walls",
        port=28580,
        subnet="10.225.0.0/16",
        DISTROS_POOL_LIMIT="0",
        DISTROS_BRING_IMAGES="false",
    ) as walls:
        assert others() != before
        assert len(rules(walls)) > 10
    assert others() == before
    assert rules(walls) == []
