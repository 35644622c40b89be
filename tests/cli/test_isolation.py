"""What doctor concludes from what a probe says; tests/e2e has the real one."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any, cast

import docker.errors
import pytest
import requests

from orchestrator.cli.isolation import INTERNET, Leak, ProbeMissing, leaks
from orchestrator.domain.addresses import AddressPlan
from orchestrator.engine.routing import Routing
from orchestrator.engine.sdk import Client

ROUTING = Routing(
    "distros", "sandbox.test", "distros-sandbox", AddressPlan(IPv4Network("10.99.0.0/16"))
)
GATEWAY = "tcp/10.99.0.1/22"


class Engine:
    """Its Traefik is at 10.99.0.2; the probe finds silent whatever `says` does not tell."""

    def __init__(self) -> None:
        self.says: dict[str, str] = {}
        self.refuses: list[Exception] = []
        self.addresses: list[str] = []
        self.removed: list[str] = []
        self.targets: list[str] = []

    def containers(self, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        if "com.docker.compose.project=distros" not in filters["label"]:
            return []
        networks = {"distros-sandbox": {"IPAddress": "10.99.0.2"}}
        labels = {"com.docker.compose.service": "traefik"}
        return [{"Labels": labels, "NetworkSettings": {"Networks": networks}}]

    def create_endpoint_config(self, ipv4_address: str) -> None:
        self.addresses.append(ipv4_address)

    def create_host_config(self, **_: Any) -> None: ...

    def create_networking_config(self, _: Any) -> None: ...

    def create_container(self, _: str, *, command: list[str], **__: Any) -> dict[str, str]:
        if self.refuses:
            raise self.refuses.pop()
        self.targets = command
        return {"Id": "probe"}

    def start(self, _: str) -> None: ...

    def wait(self, _: str, **__: Any) -> None: ...

    def logs(self, _: str) -> bytes:
        lines = [f"{self.says.get(target, 'silent')} {target}" for target in self.targets]
        return "\n".join(lines).encode()

    def remove_container(self, container: str, **_: Any) -> None:
        self.removed.append(container)


def examine(engine: Engine) -> tuple[list[Leak], int]:
    return leaks(cast(Client, engine), ROUTING)


def test_those_with_the_internet_are_tried_too_on_all_but_that() -> None:
    engine, both = (
        Engine(),
        AddressPlan(IPv4Network("10.99.0.0/16"), egress=IPv4Network("10.100.0.0/24")),
    )
    engine.says = {GATEWAY: "refused"}
    found, tried = leaks(cast(Client, engine), replace(ROUTING, plan=both))
    assert [each.target for each in found] == [GATEWAY, GATEWAY]
    assert engine.addresses == ["10.99.255.254", "10.100.0.254"]
    assert tried == len(engine.targets) + len(INTERNET)
    assert "tcp/10.100.0.1/22" in engine.targets
    assert not INTERNET.keys() & set(engine.targets)


def refusal(kind: Callable[..., docker.errors.APIError], message: str) -> docker.errors.APIError:
    return kind("refused", response=requests.Response(), explanation=message)


def test_silence_everywhere_is_what_should_be() -> None:
    engine = Engine()
    assert examine(engine) == ([], len(engine.targets))
    assert {GATEWAY, "tcp/10.99.0.2/9989", "tcp/169.254.169.254/80"} <= set(engine.targets)
    assert engine.removed == ["probe"]


def test_an_answer_is_a_leak_and_so_is_a_refusal() -> None:
    engine = Engine()
    engine.says = {GATEWAY: "refused", "tcp/10.99.0.2/9989": "reached"}
    found, _ = examine(engine)
    assert sorted(map(str, found)) == [
        "the machine (tcp/10.99.0.1/22)",
        "traefik (tcp/10.99.0.2/9989)",
    ]


def test_an_address_that_an_instance_has_is_left_to_it() -> None:
    engine = Engine()
    engine.refuses = [refusal(docker.errors.APIError, "Address already in use")]
    assert examine(engine)[0] == []
    assert engine.addresses == ["10.99.255.254", "10.99.255.253"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (docker.errors.ImageNotFound, "the image distros-probe is not there"),
        (docker.errors.NotFound, "the network distros-sandbox is not there"),
    ],
)
def test_without_image_or_network_nothing_is_claimed(
    error: Callable[..., docker.errors.APIError], said: str
) -> None:
    engine = Engine()
    engine.refuses = [refusal(error, "no such thing")]
    with pytest.raises(ProbeMissing, match=said):
        examine(engine)


def test_a_probe_that_says_too_little_proves_nothing() -> None:
    engine = Engine()
    engine.logs = lambda _: b"silent tcp/10.99.0.1/22"  # type: ignore[method-assign]
    with pytest.raises(ProbeMissing):
        examine(engine)
