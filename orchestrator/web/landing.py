"""The front page: pick a distribution, name the site, create it.

A launch that is refused shows the same page again: what was typed, what was wrong at the place
where it can be put right, and an honest status code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from ..domain import errors
from ..domain.distribution import Distribution
from ..domain.errors import DistrosError, Unavailable
from ..domain.models import Caller
from ..domain.naming import ID_LENGTH, MAX_NAME_LENGTH
from .documents import document_of
from .errors import status_of
from .schemas import InstanceDocument
from .services import Services, services
from .templates import page
from .words import duration

Place = Literal["distribution", "name", "create"]

PLACES: Final[dict[type[DistrosError], Place]] = {
    errors.UnknownDistribution: "distribution",
    errors.ImageMissing: "distribution",
    errors.InvalidName: "name",
}


# What visitors can make of it; the error's own words are for programs and the operator.
FOR_VISITORS: Final[dict[type[DistrosError], tuple[str, str]]] = {
    errors.UnknownDistribution: ("Nothing that can be created was chosen.", "Pick one of these."),
    errors.ImageMissing: ("This application is not on this server yet.", "Pick another one."),
    errors.EngineUnavailable: (
        "The server that runs the sites does not answer.",
        "Please try again in a few minutes.",
    ),
    errors.ProxyUnavailable: (
        "No site can be reached right now.",
        "Please try again in a few minutes.",
    ),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What was chosen and typed."""

    distribution: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    distribution: Distribution
    available: bool
    image: str | None = None  # where it is missing: what comes of that
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    place: Place
    message: str
    hint: str

    @classmethod
    def of(cls, error: DistrosError) -> "Refusal":
        place = PLACES.get(type(error), "create")
        message, hint = FOR_VISITORS.get(type(error), (error.message, error.hint))
        if isinstance(error, errors.CapacityReached):
            hint = f"The next place is free in {duration(error.retry_after)}, or sooner."
        return cls(place, message, hint)


async def show_landing(
    request: Request, caller: Caller, entry: Entry, error: DistrosError | None = None
) -> Response:
    svc = services(request)
    away = svc.health.engine_away
    listed = [_card(svc, each) for each in svc.catalog.listed()]
    counts = svc.ledger.counts()
    shown = cards(listed, entry.distribution)
    context = {
        "cards": shown,
        "possible": not away and any(card.available for card in shown),
        "engine_away": away,
        "entry": entry,
        "refusal": Refusal.of(error) if error else None,
        "running": counts.placed - counts.pooled,
        "own": _own(svc, caller),
        "address": _Address.of(svc),
    }
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else {}
    status = _status(error) if error else 200
    return page(request, "landing.html", context, status=status, headers=headers)


def _card(svc: Services, distribution: Distribution) -> Card:
    """While the engine is away, nothing is said of images."""
    slug = distribution.slug
    available = svc.images.launchable(distribution)
    if svc.health.engine_away or not svc.images.is_missing(slug):
        return Card(distribution, available=True)
    absent = "Fetched at the first launch" if available else "Not on this server yet"
    return Card(distribution, available, svc.images.coming(slug) or absent)


def cards(listed: Sequence[Card], chosen: str) -> list[Card]:
    """What cannot be launched is shown, last, and cannot be chosen."""
    ordered = sorted(listed, key=lambda card: not card.available)
    can = [card.distribution.slug for card in ordered if card.available]
    if chosen not in can:
        chosen = can[0] if can else ""
    return [replace(card, chosen=card.distribution.slug == chosen) for card in ordered]


@dataclass(frozen=True, slots=True)
class _Address:
    """The parts of the address that a new site will have."""

    scheme: str
    unknown: str  # stands for the id, which nobody knows before
    rest: str
    longest_name: int = MAX_NAME_LENGTH

    @classmethod
    def of(cls, svc: Services) -> "_Address":
        scheme, _, host = str(svc.settings.instances_url).rstrip("/").partition("://")
        return cls(f"{scheme}://", "•" * ID_LENGTH, f".{host}")


def _own(svc: Services, caller: Caller) -> list[tuple[InstanceDocument, str]]:
    """The visitor's live sites, newest first, each with its distribution's name."""
    if caller.admin:
        return []
    names = {each.slug: each.name for each in svc.catalog}
    return [
        (document_of(svc, each), names.get(each.distribution, each.distribution))
        for each in sorted(svc.leases.live(caller), key=lambda each: each.created_at, reverse=True)
    ]


def _status(error: DistrosError) -> int:
    """The form's address exists even where what was chosen does not."""
    return 422 if isinstance(error, errors.UnknownDistribution) else status_of(error)
