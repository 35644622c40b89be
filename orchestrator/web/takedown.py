"""From what an admin has named, by API or page, to bans and to the end of what is running."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from ..domain.errors import InvalidRequest
from ..domain.limits import address_of
from ..domain.safeguards import Ban, BanKind
from .safety_schemas import KINDS, BanRequest, TakedownRequest
from .services import Services

HASH: Final = re.compile(r"^[0-9a-f]{32}$")  # as `Clients.hashed` makes them; no address is so


def named(asked: BanRequest) -> str:
    kind = next(name for name in KINDS if getattr(asked, name))
    return f"{kind} {getattr(asked, kind)}"


async def ban(svc: Services, asked: BanRequest, by: str) -> Sequence[Ban]:
    """Raises InvalidRequest, UnknownInstance, UnknownDistribution, UnknownVisitor."""
    if asked.instance:
        return await svc.safety.ban_origin(asked.instance, reason=asked.reason, by=by)
    if asked.address:
        kind, key = BanKind.ADDRESS, hash_of(svc, asked.address)
        shown = f"address {key[:8]}…" if key == asked.address else asked.address
    elif asked.distribution:
        kind, key = BanKind.DISTRIBUTION, svc.catalog.get(asked.distribution).slug
        shown = key
    else:
        kind, key = BanKind.VISITOR, await svc.safety.visitor(asked.visitor or "")
        shown = key
    return [await svc.safety.ban(kind, key, shown=shown[:100], reason=asked.reason, by=by)]


async def take_down_and_ban(
    svc: Services, asked: TakedownRequest, by: str
) -> tuple[list[str], Sequence[Ban]]:
    """The ids of what was stopped, and the bans, where they were asked for.

    Raises as `ban` does; then nothing was stopped.
    """
    address = hash_of(svc, asked.address) if asked.address else None
    visitor = await svc.safety.visitor(asked.visitor) if asked.visitor else None
    bans = await ban(svc, asked, by) if asked.ban else ()
    stopped = await svc.safety.take_down(
        instance=asked.instance,
        visitor=visitor,
        address=address,
        distribution=asked.distribution,
        reason=asked.reason,
    )
    return stopped, bans


def hash_of(svc: Services, address: str) -> str:
    """Of an address, or of what the admin page shows of one. Raises InvalidRequest."""
    if HASH.fullmatch(address):
        return address
    try:
        return svc.gate.clients.hashed(address_of(ip_address(address.partition("%")[0])))
    except ValueError as error:
        raise InvalidRequest(
            f"“{address[:60]}” is no address.", hint="It is such as 203.0.113.7 or 2001:db8::1."
        ) from error
