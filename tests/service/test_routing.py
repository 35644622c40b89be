"""The labels that route to an instance, as a whole: a stray one could route somewhere else."""

import re
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv4Network

import pytest
import yaml

from orchestrator.domain.addresses import AddressPlan
from orchestrator.engine.routing import (
    ENTRYPOINT,
    Routing,
    host_rule,
    owner_labels,
    router_labels,
)
from orchestrator.settings import ROOT

ROUTING = Routing(
    stack="distros",
    domain="sandbox.localhost",
    network="distros-sandbox",
    plan=AddressPlan(IPv4Network("10.99.0.0/16"), bridges=2),
)


def test_it_gives_an_instance_a_router_a_marker_and_a_service_of_its_own() -> None:
    assert router_labels(ROUTING, "abc234def567", 8080, IPv4Address("10.99.0.16")) == {
        "traefik.enable": "true",
        "traefik.docker.network": "distros-sandbox",
        "traefik.http.routers.distros-abc234def567.rule": (
            r"HostRegexp(`^([a-z0-9-]+-)?abc234def567\.sandbox\.localhost$`)"
        ),
        "traefik.http.routers.distros-abc234def567.entrypoints": "web",
        "traefik.http.routers.distros-abc234def567.priority": "100",
        "traefik.http.routers.distros-abc234def567.service": "distros-abc234def567",
        "traefik.http.routers.distros-abc234def567.middlewares": (
            "distros-abc234def567-marker,instance-headers@file,not-live@file"
        ),
        "traefik.http.middlewares.distros-abc234def567-marker.headers"
        ".customresponseheaders.X-Distros-Instance": "abc234def567",
        "traefik.http.services.distros-abc234def567.loadbalancer.server.port": "8080",
        "traefik.http.services.distros-abc234def567.loadbalancer.serverstransport": (
            "instances@file"
        ),
    }


def test_its_entrypoint_is_the_one_where_traefik_serves_the_site() -> None:
    static = yaml.safe_load((ROOT / "traefik/traefik.yml").read_text())
    dynamic = yaml.safe_load((ROOT / "traefik/dynamic/orchestrator.yml").read_text())

    assert static["entryPoints"][ENTRYPOINT]["asDefault"]
    for router in dynamic["http"]["routers"].values():
        assert router["entryPoints"] == [ENTRYPOINT]


def test_the_address_names_the_bridge_on_which_the_proxy_looks() -> None:
    second = router_labels(ROUTING, "abc234def567", 8080, IPv4Address("10.99.128.16"))
    assert second["traefik.docker.network"] == "distros-sandbox-2"
    assert ROUTING.networks == ("distros-sandbox", "distros-sandbox-2")


def test_what_was_started_for_the_pool_says_so() -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    common = owner_labels("distros", "abc", "wiki", created_at=moment, expires_at=moment)
    pooled = owner_labels(
        "distros", "abc", "wiki", created_at=moment, expires_at=moment, pooled=True
    )
    assert pooled == common | {"distros.pool": "true"}


def test_it_says_whose_the_container_is_and_when_it_ends_in_utc() -> None:
    summer = timezone(timedelta(hours=2))

    assert owner_labels(
        "distros",
        "abc234def567",
        "wiki",
        created_at=datetime(2026, 7, 1, 14, 0, tzinfo=summer),
        expires_at=datetime(2026, 7, 1, 12, 40, tzinfo=UTC),
    ) == {
        "distros.managed": "true",
        "distros.stack": "distros",
        "distros.instance": "abc234def567",
        "distros.distribution": "wiki",
        "distros.created-at": "2026-07-01T12:00:00+00:00",
        "distros.expires-at": "2026-07-01T12:40:00+00:00",
    }


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("abc234def567.sandbox.localhost", True),
        ("my-site-abc234def567.sandbox.localhost", True),
        ("xabc234def567.sandbox.localhost", False),
        ("abc234def567.sandbox.localhost.evil.example", False),
        ("evil.example.abc234def567.sandbox.localhost", False),
        ("abc234def567.sandboxxlocalhost", False),
    ],
)
def test_it_matches_the_instances_own_hosts_only(host: str, matches: bool) -> None:
    rule = host_rule("abc234def567", "sandbox.localhost")
    pattern = rule.removeprefix("HostRegexp(`").removesuffix("`)")

    assert bool(re.search(pattern, host)) is matches
