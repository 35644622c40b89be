"""The front page: pick a distribution, name the site, create it.

A launch that is refused shows the same page again: what was typed, what was wrong at the place
where it can be put right, and an honest status code.
"""

from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from ..domain import errors, outages
from ..domain.errors import DistrosError
from ..domain.limits_exceeded import TooMany
from ..domain.models import Caller
from ..domain.naming import ID_LENGTH, MAX_NAME_LENGTH
from ..domain.outages import Unavailable
from . import words
from .cards import card_of, choose, find
from .errors import status_of
from .mine import own_sites
from .prepared import Values
from .services import Services, services
from .templates import Context, page, part_of_page, prepared_page, texts_of
from .texts import Texts

Place = Literal["distribution", "name", "create"]

PLACES: Final[dict[type[DistrosError], Place]] = {
    errors.UnknownDistribution: "distribution",
    outages.ImageMissing: "distribution",
    errors.DistributionBanned: "distribution",
    errors.InvalidName: "name",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What was chosen and typed, and what is looked for."""

    distribution: str = ""
    name: str = ""
    query: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    place: Place
    message: str
    hint: str

    @classmethod
    def of(cls, t: Texts, error: DistrosError) -> "Refusal":
        return cls(PLACES.get(type(error), "create"), *words.told(t, error))


async def show_landing(
    request: Request, caller: Caller, entry: Entry, error: DistrosError | None = None
) -> Response:
    svc, t = services(request), texts_of(request)
    if error is None and request.method != "POST" and not request.url.query:
        shows = svc.health.trouble, svc.safety.paused, svc.health.engine_away
        own: Values = {"own": lambda: _own(request, svc, caller)}
        return prepared_page(
            request, "landing.html", shows, lambda: _context(svc, t, entry, None), own
        )
    headers = {}
    if isinstance(error, Unavailable | TooMany):
        headers["Retry-After"] = str(error.retry_after)
    status = _status(error) if error else 200
    context = _context(svc, t, entry, error) | {"own": _own(request, svc, caller)}
    return page(request, "landing.html", context, status=status, headers=headers)


def _context(svc: Services, t: Texts, entry: Entry, error: DistrosError | None) -> Context:
    """All but the visitor's own sites."""
    listed = svc.catalog.listed()
    found = find([card_of(svc, t, each) for each in listed], entry.query, entry.category)
    shown = choose(found, entry.distribution)
    possible = any(card.available for card in shown)
    return launch_context(svc, t, entry, possible=possible) | {
        "cards": shown,
        "categories": sorted({each.category for each in listed}),
        "searchable": len(listed) > 1,
        "refusal": Refusal.of(t, error) if error else None,
        "running": svc.ledger.sites,
    }


def _own(request: Request, svc: Services, caller: Caller) -> Markup:
    sites = own_sites(svc, caller)
    return part_of_page(request, "own.html", {"sites": sites}) if sites else Markup()


def launch_context(svc: Services, t: Texts, entry: Entry, *, possible: bool) -> Context:
    """What `away.html` and `launch_form.html` read. `possible`: whether what is shown could be
    launched, as far as its image goes."""
    trouble, paused = svc.health.trouble, svc.safety.paused
    return {
        "entry": entry,
        "refusal": None,
        "address": _Address.of(svc),
        "trouble": words.told(t, trouble)[0] if trouble else None,
        "paused": paused,
        "possible": possible and not (trouble or paused),
    }


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


def _status(error: DistrosError) -> int:
    """The form's address exists even where what was chosen does not."""
    return 422 if isinstance(error, errors.UnknownDistribution) else status_of(error)
