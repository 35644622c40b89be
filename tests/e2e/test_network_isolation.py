"""What an instance reaches on the real stack: nothing, or the Internet where its distribution asks
for it. And who reaches it: Traefik."""

import http.server
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from orchestrator.domain.addresses import AddressPlan
from orchestrator.engine.routing import Routing, router_labels

from .stack import DISTROS, Stack, docker, running_stack

NAMESPACE = "distros-outside"
OUT_ID = "reachingaout"
OUTSIDE, INSIDE = "198.51.100.2", "198.51.100.1"  # a machine beyond this one, and the way there
PUBLIC = "20.9.8.7"  # what it stands for: a place on the Internet
TOLD = "20.1.2.3"  # the address of every name, if you ask there
PORT = 28099
DOCKERS_NAMES = "dns/127.0.0.11/53"

LISTENER = """
import http.server, socket, sys, threading

def tell(names):
    while True:
        asked, client = names.recvfrom(512)
        question = asked[12:asked.index(0, 12) + 5]
        header = asked[:2] + bytes([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
        answer = bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 20, 1, 2, 3])
        names.sendto(header + question + answer, client)

for port in (80, 25):
    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
for address in sys.argv[1:]:  # one socket each, to answer from where it was asked
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((address, 53))
    threading.Thread(target=tell, args=(names,)).start()
print("listening", flush=True)
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """A machine beyond this one, with a site and a name server."""
    with namespace():
        process = subprocess.Popen(
            ["ip", "netns", "exec", NAMESPACE, "python3", "-c", LISTENER, OUTSIDE, PUBLIC],
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
        run(*inside, "address", "add", f"{PUBLIC}/32", "dev", "in")
        run("ip", "route", "add", f"{PUBLIC}/32", "via", OUTSIDE)
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


def probe(network: str, *targets: str, name_server: str = "127.0.0.1") -> dict[str, str]:
    """What became of each, from a container as confined as an instance."""
    said = docker(
        *("run", "--rm", "--network", network, "--cap-drop", "ALL", "--read-only"),
        *("--dns", name_server),
        *("--security-opt", "no-new-privileges", "distros-probe", *targets),
    )
    return {target: outcome for outcome, target in map(str.split, said.splitlines())}


def host_address() -> str:
    """The one by which this machine reaches others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((OUTSIDE, 9))
        return str(asked.getsockname()[0])


@pytest.fixture(scope="module")
def reaching_out(stack: Stack) -> Iterator[str]:
    """A site of a distribution that asks for the Internet."""
    site = f"{stack.name}-reaching-out"
    address = "10.219.0.99"
    plan = AddressPlan(IPv4Network("10.218.0.0/16"), egress=IPv4Network("10.219.0.0/16"))
    routing = Routing(stack.name, "sandbox.localhost", f"{stack.name}-sandbox", plan)
    labels = router_labels(routing, OUT_ID, 8080, IPv4Address(address))
    labels["distros.stack"] = stack.name
    docker(
        *("run", "--detach", "--name", site, "--network", f"{stack.name}-sandbox-egress"),
        *("--ip", address, "--cap-drop", "ALL"),
        *(word for label in labels.items() for word in ("--label", "=".join(label))),
        "distros/hello:1",
    )
    yield site
    docker("rm", "--force", "--volumes", site)


@pytest.fixture(scope="module")
def forbidden(stack: Stack, outside: str, machine: int, reaching_out: str) -> dict[str, list[str]]:
    """Targets by what they are; something answers at each but the last two."""
    sandbox, egress = f"{stack.name}-sandbox", f"{stack.name}-sandbox-egress"
    sibling = stack.launch("hello", lifetime=600)["id"]

    def service(name: str, *ports: int) -> list[str]:
        found = addresses(f"{stack.name}-{name}-1")
        return [f"tcp/{address}/{port}" for address in found for port in ports]

    return {
        "a sibling": [f"tcp/{each}/8080" for each in addresses(stack.container(sibling))],
        "a sibling with the Internet": [f"tcp/{each}/8080" for each in addresses(reaching_out)],
        "the machine, at the bridge": [
            f"tcp/{gateway(each)}/{machine}" for each in (sandbox, egress)
        ],
        "the machine, at another bridge": [f"tcp/{gateway(f'{stack.name}_edge')}/{machine}"],
        "the machine, at its own address": [f"tcp/{host_address()}/{machine}"],
        "the orchestrator": service("orchestrator", 8000),
        "Traefik's sites": service("traefik", 8080),
        "Traefik's admin entrypoint": service("traefik", 9989),
        "the orchestrator's guard": service("socket-guard", 2375),
        "Traefik's socket proxy": service("socket-proxy-traefik", 2375),
        "the Internet": [f"tcp/{PUBLIC}/80"],
        "a name server": [f"udp/{PUBLIC}/53"],
        "a name server, through Docker's own": [DOCKERS_NAMES],
        "a mail server": [f"tcp/{PUBLIC}/25"],
        "addresses for examples": [f"tcp/{outside}/80", f"udp/{outside}/53"],
        "the cloud's metadata": ["tcp/169.254.169.254/80"],
        "private networks": ["tcp/192.168.0.1/80", "tcp/172.16.0.1/80", "tcp/10.0.0.1/80"],
    }


CELLS = [
    "a sibling",
    "a sibling with the Internet",
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
    "a name server, through Docker's own",
    "a mail server",
    "addresses for examples",
    "the cloud's metadata",
    "private networks",
]
ASKED_FOR = ["the Internet", "a name server"]


@pytest.fixture(scope="module")
def seen(stack: Stack, forbidden: dict[str, list[str]]) -> dict[str, str]:
    targets = [each for targets in forbidden.values() for each in targets]
    return probe(f"{stack.name}-sandbox", *targets)


@pytest.fixture(scope="module")
def seen_with_the_internet(stack: Stack, forbidden: dict[str, list[str]]) -> dict[str, str]:
    targets = [each for targets in forbidden.values() for each in targets]
    return probe(f"{stack.name}-sandbox-egress", *targets)


@pytest.mark.parametrize("cell", CELLS)
def test_an_instance_does_not_reach(
    cell: str, forbidden: dict[str, list[str]], seen: dict[str, str]
) -> None:
    assert {seen[target] for target in forbidden[cell]} == {"silent"}


@pytest.mark.parametrize("cell", ASKED_FOR)
def test_one_whose_distribution_asks_for_it_reaches(
    cell: str, forbidden: dict[str, list[str]], seen_with_the_internet: dict[str, str]
) -> None:
    assert {seen_with_the_internet[target] for target in forbidden[cell]} == {"reached"}


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in ASKED_FOR])
def test_even_that_one_does_not_reach(
    cell: str, forbidden: dict[str, list[str]], seen_with_the_internet: dict[str, str]
) -> None:
    assert {seen_with_the_internet[target] for target in forbidden[cell]} == {"silent"}


def names(network: str, *asked: str) -> dict[str, str]:
    """What Docker's name server says there of names and addresses, with ours behind it."""
    script = 'for one; do echo "$one $(getent ahostsv4 "$one" | head -n 1)"; done'
    if all(each[0].isdigit() for each in asked):
        script = script.replace("ahostsv4", "hosts")
    said = docker(
        *("run", "--rm", "--network", network, "--dns", PUBLIC, "--dns-option", "attempts:1"),
        *("--dns-option", "timeout:1", "--cap-drop", "ALL", "--user", "1000:1000"),
        *("debian:trixie-slim", "sh", "-c", script, "sh", *asked),
    )
    return dict(line.split(" ", 1) for line in said.splitlines())


def test_names_are_told_to_those_with_the_internet_alone(stack: Stack, outside: str) -> None:
    assert TOLD in names(f"{stack.name}-sandbox-egress", "somewhere.example")["somewhere.example"]
    assert names(f"{stack.name}-sandbox", "somewhere.example") == {"somewhere.example": ""}


def test_the_name_servers_of_this_machine_may_be_on_a_private_network(stack: Stack) -> None:
    """Docker asks them on behalf of a container, from there."""
    configured = docker("exec", f"{stack.name}-firewall-1", "cat", "/etc/resolv.conf")
    servers = re.findall(r"^nameserver ((?!127)[0-9.]+)$", configured, re.MULTILINE)
    for server in servers:
        for protocol in ("udp", "tcp"):
            rule = f"-d {server}/32 -i br-[0-9a-f]+ ! -o br-[0-9a-f]+ -p {protocol} .*--dport 53 "
            assert re.search(rule, "\n".join(rules(stack))), rules(stack)


def test_nobody_learns_a_siblings_id_from_dockers_names(stack: Stack) -> None:
    sibling = stack.launch("hello")["id"]
    network, container = f"{stack.name}-sandbox", stack.container(sibling)
    (address,) = addresses(container)

    told = names(network, address)
    assert container in told[address]  # so it does tell names
    assert sibling not in told[address]
    guessed = (sibling, f"{stack.name}-{sibling}", f"{sibling}.{network}")
    assert names(network, *guessed) == dict.fromkeys(guessed, "")


def test_traefik_reaches_one_with_the_internet_too(stack: Stack, reaching_out: str) -> None:
    page = stack.get(f"http://{OUT_ID}.sandbox.localhost:{stack.port}/")
    assert (page.status_code, page.headers["X-Distros-Instance"]) == (200, OUT_ID)


def test_somebody_would_have_answered(stack: Stack, forbidden: dict[str, list[str]]) -> None:
    """From a network without the firewall, or for whoever has business there."""
    for cell, network in {
        "the machine, at another bridge": f"{stack.name}_edge",
        "the Internet": f"{stack.name}_edge",
        "a name server": f"{stack.name}_edge",
        "a mail server": f"{stack.name}_edge",
        "addresses for examples": f"{stack.name}_edge",
        "the orchestrator": f"{stack.name}_edge",
        "Traefik's admin entrypoint": f"{stack.name}_edge",
        "the orchestrator's guard": f"{stack.name}_orchestrator-docker",
        "Traefik's socket proxy": f"{stack.name}_traefik-docker",
    }.items():
        assert "reached" in probe(network, *forbidden[cell]).values(), cell
    names = probe(f"{stack.name}_edge", DOCKERS_NAMES, name_server=OUTSIDE)
    assert names == {DOCKERS_NAMES: "reached"}


def test_traefik_reaches_it(stack: Stack) -> None:
    document = stack.launch("hello")
    assert stack.get(document["url"]).headers["X-Distros-Instance"] == document["id"]


@pytest.mark.parametrize("kind", ["sandbox", "sandbox-egress"])
def test_there_is_no_other_protocol_beside(stack: Stack, kind: str) -> None:
    (network,) = json.loads(docker("network", "inspect", f"{stack.name}-{kind}"))
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
