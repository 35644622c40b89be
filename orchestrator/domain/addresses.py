"""Which address, and with it which bridge, an instance gets.

Next-fit over all addresses, so that none is reused soon: a stale route to an address that was
handed out again would show one visitor another's site. A Linux bridge holds about 1,000 containers
(1,023 ports), so beyond that the subnet is divided among several, which take turns.

Instances that may reach the Internet have a subnet and a bridge of their own, by which the firewall
tells them from the others; their addresses go round by themselves.
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
    """One subnet, in equal parts: `bridges[i]` is the network of bridge number i. The last one is
    that of `egress`, where there is one."""

    def __init__(
        self,
        subnet: IPv4Network,
        bridges: int = 1,
        *,
        egress: IPv4Network | None = None,
        bridge_holds: int = BRIDGE_HOLDS,
    ) -> None:
        parts = subnet.subnets(prefixlen_diff=(bridges - 1).bit_length())
        inner = tuple(part for part, _ in zip(parts, range(bridges), strict=False))
        self.egress = egress
        self.bridges = inner if egress is None else (*inner, egress)
        self._inner = range(bridges)  # numbers of bridges without the Internet
        self._bridge_holds = bridge_holds

    def room(self, *, egress: bool = False) -> int:
        """How many addresses there are to hand out."""
        numbers = self._numbers(egress)
        return self._each(numbers) * len(numbers)

    def bridge_of(self, address: IPv4Address) -> int:
        """Its bridge's number; the first one's for an address from elsewhere."""
        places = (number for number, part in enumerate(self.bridges) if address in part)
        return next(places, 0)

    def reaches_out(self, address: IPv4Address) -> bool:
        """Whether it is one with the Internet."""
        return self.egress is not None and address in self.egress

    def after(
        self,
        previous: IPv4Address | None,
        in_use: Collection[IPv4Address],
        *,
        egress: bool = False,
    ) -> IPv4Address | None:
        """The next free address on a bridge that has room; None where there is none. `previous` is
        the latest of the same kind."""
        numbers = self._numbers(egress)
        taken = set(in_use)
        loads = Counter(map(self.bridge_of, taken))
        start = 0 if previous is None else self._index(previous, numbers) + 1
        count = self._each(numbers) * len(numbers)
        for step in range(count):
            host, turn = divmod((start + step) % count, len(numbers))
            number = numbers[turn]
            candidate = self.bridges[number][RESERVED_ADDRESSES + host]
            if candidate not in taken and loads[number] < self._bridge_holds:
                return candidate
        return None

    def _numbers(self, egress: bool) -> range:
        """Of the bridges of that kind; none where there is no egress."""
        return range(len(self._inner), len(self.bridges)) if egress else self._inner

    def _each(self, numbers: range) -> int:
        """How many addresses each of them has to hand out: all but the broadcast's."""
        if not numbers:
            return 0
        return max(0, self.bridges[numbers[0]].num_addresses - RESERVED_ADDRESSES - 1)

    def _index(self, address: IPv4Address, numbers: range) -> int:
        """Where it stands in the order of handing out; -1 where it is none of those."""
        number = self.bridge_of(address)
        host = int(address) - int(self.bridges[number].network_address) - RESERVED_ADDRESSES
        if number not in numbers or not 0 <= host < self._each(numbers):
            return -1
        return host * len(numbers) + numbers.index(number)
