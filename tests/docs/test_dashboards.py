"""What is the admin's alone is published on this machine only, unless somebody says otherwise."""

import re
from typing import Any

import pytest
import yaml

from orchestrator.cli.checks import dashboards, is_loopback_listen
from orchestrator.settings import ROOT

PUBLIC = {"traefik": {8080}}  # the site and its instances; all else is the admin's


def shipped_variables() -> dict[str, str]:
    """As `.env.example` sets or suggests them."""
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^(?:# )?(DISTROS_\w+)=(.*)$", text, re.MULTILINE))


def published(variables: dict[str, str]) -> list[tuple[str, str, int]]:
    """Every service's: name, address on this machine, port in the container."""
    stack: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found = []
    for name, service in stack["services"].items():
        for port in service.get("ports", []):
            said = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: variables.get(m[1]) or m[2], str(port))
            address, _, inside = said.rpartition(":")
            found.append((name, address, int(inside)))
    return found


@pytest.mark.parametrize("variables", [{}, shipped_variables()], ids=["none", ".env.example"])
def test_as_shipped_the_dashboard_and_portainer_are_on_this_machine_alone(
    variables: dict[str, str],
) -> None:
    ports = published(variables)
    assert {(name, inside) for name, _, inside in ports} == {
        ("traefik", 8080),
        ("traefik", 9989),
        ("portainer", 9000),
    }
    for name, address, inside in ports:
        if inside not in PUBLIC.get(name, ()):
            assert address.rpartition(":")[0] == "127.0.0.1", (name, address)


def test_only_the_firewall_has_the_machines_own_network() -> None:
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    modes = {name: each.get("network_mode") for name, each in stack["services"].items()}
    assert [name for name, mode in modes.items() if mode == "host"] == ["firewall"]


@pytest.mark.parametrize(
    ("listen", "here"),
    [
        ("127.0.0.1:9989", True),
        ("127.1.2.3:9989", True),
        ("[::1]:9989", True),
        ("localhost:9989", True),
        ("0.0.0.0:9989", False),
        ("[::]:9989", False),
        ("203.0.113.7:9989", False),
        ("9989", False),
        (":9989", False),
    ],
)
def test_an_address_of_this_machine_is_known(listen: str, here: bool) -> None:
    assert is_loopback_listen(listen) is here


def test_doctor_warns_of_each_that_is_published() -> None:
    found = list(
        dashboards({"DISTROS_ADMIN_LISTEN": "0.0.0.0:9989", "DISTROS_PORTAINER_LISTEN": "9988"})
    )
    assert [(each.verdict, each.said) for each in found] == [
        ("note", "Traefik’s dashboard is published on 0.0.0.0:9989"),
        ("note", "Portainer is published on 9988"),
    ]
    assert "set DISTROS_PORTAINER_LISTEN to 127.0.0.1:9988" in (found[1].do or "")
    assert list(dashboards({"DISTROS_ADMIN_LISTEN": "127.0.0.1:9989"})) == []
