"""Whose address counts: what a client writes into its own headers has no effect."""

from ipaddress import ip_address

import pytest

from orchestrator.settings import Networks
from orchestrator.web.clients import client_address

TRAEFIK = "172.18.0.2"
TRUSTED = Networks.read("172.16.0.0/12, ::1")
NONE = Networks()
BALANCER = Networks.read("198.51.100.0/30")


@pytest.mark.parametrize(
    ("peer", "forwarded", "outer", "client"),
    [
        (TRAEFIK, "203.0.113.7", NONE, "203.0.113.7"),
        (TRAEFIK, "6.6.6.6, 203.0.113.7", NONE, "203.0.113.7"),
        (TRAEFIK, "6.6.6.6,,203.0.113.7", NONE, "203.0.113.7"),
        (TRAEFIK, "6.6.6.6, 203.0.113.7, 198.51.100.1", BALANCER, "203.0.113.7"),
        (TRAEFIK, "198.51.100.2, 198.51.100.1", BALANCER, "198.51.100.2"),
        (TRAEFIK, "6.6.6.6, 198.51.100.1", NONE, "198.51.100.1"),
        (TRAEFIK, "172.18.0.1", NONE, "172.18.0.1"),
        (TRAEFIK, "::ffff:203.0.113.7", NONE, "203.0.113.7"),
        (TRAEFIK, "", NONE, TRAEFIK),
        ("::1", "2001:db8::7", NONE, "2001:db8::7"),
        (TRAEFIK, "fe80::1%eth0", NONE, "fe80::1"),
        ("203.0.113.7", "6.6.6.6", NONE, "203.0.113.7"),
        ("203.0.113.7", "172.18.0.2", BALANCER, "203.0.113.7"),
        (TRAEFIK, "6.6.6.6, unknown", NONE, TRAEFIK),
        (TRAEFIK, "6.6.6.6, 203.0.113.7:80", NONE, TRAEFIK),
        (TRAEFIK, "203.0.113.7, unknown, 198.51.100.1", BALANCER, "198.51.100.1"),
    ],
)
def test_only_the_end_of_the_chain_that_our_proxies_wrote_counts(
    peer: str, forwarded: str, outer: Networks, client: str
) -> None:
    found = client_address(ip_address(peer), forwarded, TRUSTED, outer)
    assert found == (ip_address(client))
