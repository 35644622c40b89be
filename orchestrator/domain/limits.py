"""How much one visitor, one address and one network may ask for, and what is said beyond that.

The store reads what has been used and refuses in the transaction that admits, so that of many who
race for the last launch one wins.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, Literal

from .errors import Banned, DistributionBanned, DistrosError
from .limits_exceeded import TooManyInstances, TooManyLaunches
from .outages import LaunchesPaused

ClientAddress = IPv4Address | IPv6Address
Whose = Literal["visitor", "address", "network"]

WINDOW: Final = timedelta(hours=1)  # in which launches are counted

# The prefixes that one subscriber, and one site, are commonly given.
ADDRESS_PREFIX: Final = {4: 32, 6: 64}
NETWORK_PREFIX: Final = {4: 24, 6: 48}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is allowed; 0 for as much as one likes."""

    launches: Mapping[Whose, int]  # within WINDOW
    instances: Mapping[Whose, int]  # at once, those that queue included


@dataclass(frozen=True, slots=True)
class Quota:
    """Who launches what, and what is allowed to them. "" where an address is not known."""

    visitor: str
    address: str
    network: str
    distribution: str  # slug
    allowance: Allowance
    now: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """What has been used, and what is forbidden, when a launch is decided."""

    launch_until: Mapping[Whose, datetime | None]  # a launch less by then; None where one is left
    live: Mapping[Whose, int]
    next_end: Mapping[Whose, datetime | None]  # of those that live
    pause: str | None = None  # why nothing is launched at all
    banned: bool = False  # the visitor or the address
    distribution_banned: bool = False


def address_of(client: ClientAddress) -> str:
    """What counts as one address: `203.0.113.7/32`, `2001:db8:0:1::/64`."""
    return _within(client, ADDRESS_PREFIX)


def network_of(client: ClientAddress) -> str:
    """What counts as one network: `203.0.113.0/24`, `2001:db8::/48`."""
    return _within(client, NETWORK_PREFIX)


def _within(client: ClientAddress, prefixes: Mapping[int, int]) -> str:
    """`::ffff:203.0.113.7` is the IPv4 address in it."""
    client = getattr(client, "ipv4_mapped", None) or client
    return str(ip_network((client, prefixes[client.version]), strict=False))


def refusal(quota: Quota, usage: Usage) -> DistrosError | None:
    """LaunchesPaused, DistributionBanned, Banned, TooManyInstances, TooManyLaunches, or None where
    another launch is allowed."""
    if usage.pause is not None:
        return LaunchesPaused(usage.pause)
    if usage.distribution_banned:
        return DistributionBanned(quota.distribution)
    if usage.banned:
        return Banned()
    for whose, most in quota.allowance.instances.items():
        if most and usage.live[whose] >= most:
            end = usage.next_end[whose] or quota.now
            return TooManyInstances(most, whose, seconds_until(end, quota.now))
    for whose, most in quota.allowance.launches.items():
        if most and (until := usage.launch_until[whose]) is not None:
            return TooManyLaunches(most, whose, seconds_until(until, quota.now))
    return None


def seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, math.ceil((moment - now).total_seconds()))
