from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from orchestrator.domain.limits import (
    Allowance,
    Quota,
    Usage,
    address_of,
    network_of,
    refusal,
)
from orchestrator.domain.limits_exceeded import TooManyInstances, TooManyLaunches, in_words

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SOON = NOW + timedelta(minutes=12)
LATER = NOW + timedelta(minutes=50)
ALLOWANCE = Allowance({"visitor": 10, "address": 30, "network": 120}, {"visitor": 5, "address": 15})


def quota(allowance: Allowance = ALLOWANCE) -> Quota:
    return Quota("anna", "a", "n", "wiki", allowance, NOW)


def usage(**changes: object) -> Usage:
    nothing = {
        "launch_until": {"visitor": None, "address": None, "network": None},
        "live": {"visitor": 0, "address": 0},
        "next_end": {"visitor": None, "address": None},
    }
    return Usage(**{name: value | changes.get(name, {}) for name, value in nothing.items()})  # type: ignore


@pytest.mark.parametrize(
    ("client", "address", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
    ],
)
def test_an_ipv6_site_counts_as_one_however_many_addresses_it_has(
    client: str, address: str, network: str
) -> None:
    parsed = ip_address(client)
    assert (address_of(parsed), network_of(parsed)) == (address, network)


def test_within_the_limits_nothing_is_refused() -> None:
    assert refusal(quota(), usage(live={"visitor": 4, "address": 14})) is None


@pytest.mark.parametrize("whose", ["visitor", "address", "network"])
def test_the_refusal_says_when_the_next_launch_is_possible(whose: str) -> None:
    refused = refusal(quota(), usage(launch_until={whose: SOON}))
    assert isinstance(refused, TooManyLaunches)
    assert refused.retry_after == 12 * 60
    assert refused.hint == "The next one is possible in 12 minutes."


def test_the_refusal_of_a_site_too_many_says_when_the_next_one_ends() -> None:
    refused = refusal(
        quota(), usage(live={"visitor": 5}, next_end={"visitor": LATER}, launch_until={})
    )
    assert isinstance(refused, TooManyInstances)
    assert refused.message == "You have 5 sites already, as many as one may have at once."
    assert refused.hint == "Delete one, or wait: the next ends in 50 minutes."


def test_zero_is_no_limit() -> None:
    free = Allowance({"visitor": 0, "address": 0, "network": 0}, {"visitor": 0, "address": 0})
    used = usage(launch_until={"visitor": SOON}, live={"visitor": 99, "address": 99})
    assert refusal(quota(free), used) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "2 minutes")],
)
def test_a_wait_is_never_told_shorter_than_it_is(seconds: int, said: str) -> None:
    assert in_words(seconds) == said
