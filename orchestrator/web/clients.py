"""From which address a request comes, as far as it can be believed.

The peer of the connection is Traefik, which writes the client's address at the end of
`X-Forwarded-For` and throws away what the client itself has sent there. Only from a trusted peer is
the header read, and only from its right-hand end, past the outer proxies that the operator has
named. No other header counts.

What leaves here are keyed hashes: the store never learns an address.
"""

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from ..domain.limits import ClientAddress, address_of, network_of

Networks = Sequence[IPv4Network | IPv6Network]


class Clients:
    def __init__(
        self, *, secret_key: SecretStr, trusted_proxies: Networks, outer_proxies: Networks
    ) -> None:
        key = secret_key.get_secret_value().encode()
        self._key = hmac.digest(key, b"addresses", "sha256")
        self._trusted = tuple(trusted_proxies)
        self._outer = tuple(outer_proxies)

    def of(self, connection: HTTPConnection) -> tuple[str, str]:
        """The hashes of address and network; "" where they are not known."""
        peer = _parsed(connection.client.host if connection.client else "")
        forwarded = ",".join(connection.headers.getlist("x-forwarded-for"))
        client = client_address(peer, forwarded, self._trusted, self._outer)
        if client is None:
            return "", ""
        return self.hashed(address_of(client)), self.hashed(network_of(client))

    def hashed(self, address: str) -> str:
        """As the store keeps what `address_of` or `network_of` say."""
        return hmac.new(self._key, address.encode(), hashlib.sha256).hexdigest()[:32]


def client_address(
    peer: ClientAddress | None, forwarded: str, trusted: Networks, outer: Networks
) -> ClientAddress | None:
    """The last address of the chain that is no proxy of ours. Where it cannot be read, that of the
    proxy before it: then all who come that way share its limits, and nobody has none."""
    if peer is None or not _among(peer, trusted):
        return peer
    client = peer
    for entry in reversed(forwarded.split(",")):
        hop = _parsed(entry.strip())
        if hop is None:
            break
        client = hop
        if not _among(client, outer):
            break
    return client


def _among(address: ClientAddress, networks: Networks) -> bool:
    return any(address.version == each.version and address in each for each in networks)


def _parsed(text: str) -> ClientAddress | None:
    try:
        address = ip_address(text.partition("%")[0])  # without the zone of fe80::1%eth0
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
