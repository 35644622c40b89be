"""What the admin acts on: an instance, or all that a visitor, an address or a distribution has.

The store knows visitors' addresses as keyed hashes alone, so that is what rows show of them; a hash
names an address wherever an admin may name one.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..domain.errors import UnknownDistribution, UnknownInstance
from ..domain.models import ALIVE, VISITOR, Instance, State
from ..domain.naming import instance_id_of, is_instance_id
from ..domain.outages import StoreUnavailable
from ..domain.safeguards import Ban
from ..service.meter import Reading
from .admin_frame import CALLER
from .admin_rows import Filter, newest_first, seconds_left
from .documents import site_address
from .services import Services
from .takedown import HASH, hash_of


@dataclass(frozen=True, slots=True)
class Row:
    instance: Instance
    url: str
    age: float  # seconds
    left: float | None  # seconds; None for what is ending or over
    renewable: bool
    address: str  # hashed; "" where nobody knows
    used: Reading | None  # CPU and memory, lately
    restrained: bool  # has a smaller share of the CPU than others
    terminal: bool  # whether one can be opened

    @property
    def alive(self) -> bool:
        return self.instance.state in ALIVE


async def rows_of(svc: Services, chosen: Sequence[Instance]) -> list[Row]:
    origins: Mapping[str, tuple[str, str]] = {}
    with suppress(StoreUnavailable):  # the table is of use without addresses too
        origins = await svc.safety.origins([each.id for each in chosen])
    now, readings = svc.ledger.now(), svc.meter.look()
    return [
        Row(
            instance=each,
            url=site_address(each, svc.settings) + "/",
            age=(now - each.created_at).total_seconds(),
            left=seconds_left(each, now) if each.state in ALIVE else None,
            renewable=svc.leases.renewable(each, by_admin=True),
            address=origins.get(each.id, ("", ""))[1],
            used=readings.get(each.id),
            restrained=each.id in svc.fair_share.restrained,
            terminal=each.state is State.READY and bool(svc.terminals.command(each)),
        )
        for each in chosen
    ]


def target_of(svc: Services, typed: str) -> tuple[str, str] | None:
    """Kind and key of what somebody has pasted; None where it is nothing that there could be."""
    if typed in slugs(svc):
        return "distribution", typed
    if typed.lower().startswith(VISITOR):
        return "visitor", typed
    bare = typed.strip("[]")
    if HASH.fullmatch(bare) or _is_address(bare):
        return "address", bare
    instance_id = instance_id_of(_host(typed), svc.settings.instance_domain) or typed
    return ("instance", instance_id) if is_instance_id(instance_id) else None


async def launched_by(svc: Services, kind: str, key: str) -> list[Instance]:
    """What lives of it, newest first. Raises UnknownDistribution, InvalidRequest for what is no
    address, UnknownInstance for any other kind."""
    live = newest_first(svc.leases.live(CALLER), Filter())
    if kind == "visitor":
        return [each for each in live if each.owner == key]
    if kind == "distribution":
        if key not in slugs(svc):
            raise UnknownDistribution(key)
        return [each for each in live if each.distribution == key]
    if kind != "address":
        raise UnknownInstance(key)
    address = hash_of(svc, key)
    origins = await svc.safety.origins([each.id for each in live])
    return [each for each in live if origins.get(each.id, ("", ""))[1] == address]


def bans_of(svc: Services, bans: Iterable[Ban], kind: str, key: str, row: Row | None) -> list[Ban]:
    """Those that are in force against it, or against whoever launched the instance of `row`."""
    if row is not None:
        keys = {("visitor", row.instance.owner), ("address", row.address)}
    else:
        keys = {(kind, hash_of(svc, key) if kind == "address" else key)}
    return [each for each in bans if (each.kind.value, each.key) in keys]


def slugs(svc: Services) -> list[str]:
    """Of the whole catalogue, what is not listed included."""
    return sorted(each.slug for each in svc.catalog)


def _host(typed: str) -> str:
    try:
        return urlsplit(typed if "//" in typed else f"//{typed}").hostname or ""
    except ValueError:
        return ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
