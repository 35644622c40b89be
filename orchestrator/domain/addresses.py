"""Which address, and with it which bridge, an instance gets.

Next-fit over all addresses, so that none is reused soon: a stale route to an address that was
handed out again would show one visitor another's site. A Linux bridge holds about 1,000 containers
(1,023 ports), so beyond that the subnet is divided among several, which take turns.
"""

from collections import Counter
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network
from typing import Final

BRIDGE_HOLDS: Final = 1000  # containers on one bridge, and a few ports for the proxy
RESERVED_ADDRESSES: Final = 16  # each bridge's first ones, for the gateway and the proxy


def bridges_for(capacity: int) -> int:
    """How many bridges so many instances need."""
    return -(-capacity // BRIDGE_HOLDS)


class AddressPlan:
    """One subnet, in equal parts: `bridges[i]` is the network of bridge number i."""

    def __init__(
        self, subnet: IPv4Network, bridges: int = 1, *, bridge_holds: int = BRIDGE_HOLDS
    ) -> None:
        parts = subnet.subnets(prefixlen_diff=(bridges - 1).bit_length())
        self.bridges = tuple(part for part, _ in zip(parts, range(bridges), strict=False))
        self._bridge_holds = bridge_holds
        self._each = self.bridges[0].num_addresses - RESERVED_ADDRESSES - 1  # without broadcast

    @property
    def room(self) -> int:
        """How many addresses there are to hand out."""
        return max(0, self._each) * len(self.bridges)

    def bridge_of(self, address: IPv4Address) -> int:
        """Its bridge's number; the first one's for an address from elsewhere."""
        places = (number for number, part in enumerate(self.bridges) if address in part)
        return next(places, 0)

    def after(
        self, previous: IPv4Address | None, in_use: Collection[IPv4Address]
    ) -> IPv4Address | None:
        """The next free address on a bridge that has room; None where there is none."""
        taken = set(in_use)
        loads = Counter(map(self.bridge_of, taken))
        start = 0 if previous is None else self._index(previous) + 1
        count = self._each * len(self.bridges)
        for step in range(count):
            number, host = (start + step) % count % len(self.bridges), (start + step) % count
            candidate = self.bridges[number][RESERVED_ADDRESSES + host // len(self.bridges)]
            if candidate not in taken and loads[number] < self._bridge_holds:
                return candidate
        return None

    def _index(self, address: IPv4Address) -> int:
        """Where it stands in the order of handing out; -1 where it is none of ours."""
        number = self.bridge_of(address)
        host = int(address) - int(self.bridges[number].network_address) - RESERVED_ADDRESSES
        return host * len(self.bridges) + number if 0 <= host < self._each else -1
