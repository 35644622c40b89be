"""The catalogue as visitors see it: a card for each distribution, searched and filtered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..domain.distribution import Distribution
from . import words
from .services import Services
from .texts import Texts


@dataclass(frozen=True, slots=True)
class Card:
    distribution: Distribution
    available: bool
    image: str | None = None  # where it is missing: what comes of that
    chosen: bool = False
    warm: bool = False  # a launch has its site at once
    usual: str | None = None  # how long a start takes; None where none was measured
    seen: str | None = None  # how long ago it was last seen working
    picture: str | None = None  # address of its screenshot

    @property
    def shown(self) -> tuple[object, ...]:
        """What may change of it while the service runs."""
        facts = (self.warm, self.usual, self.seen)
        return self.distribution.slug, self.available, self.image, self.chosen, *facts


def card_of(svc: Services, t: Texts, distribution: Distribution) -> Card:
    """While the engine is away, nothing is said of images."""
    slug = distribution.slug
    picture = svc.pictures.get(slug)
    measured, last = svc.pace.startup(slug), svc.verified.last(slug)
    card = Card(
        distribution,
        available=True,
        warm=svc.pool.has_warm(slug) and not svc.health.engine_away,
        usual=words.about(t, measured.total.p50) if measured else None,
        seen=words.ago(t, svc.ledger.now() - last) if last else None,
        picture=picture.url(slug) if picture else None,
    )
    if svc.health.engine_away or not svc.images.is_missing(slug):
        return card
    available = svc.images.launchable(distribution)
    return replace(card, available=available, image=_of_image(svc, t, distribution, available))


def _of_image(svc: Services, t: Texts, distribution: Distribution, available: bool) -> str:
    """What comes of one that is missing."""
    line = svc.images.coming(distribution.slug)
    if line is None:
        return t.plain("card.at_first_launch" if available else "card.not_here")
    if distribution.image.build:
        return t.plain("card.building")
    if line.arrived:
        return t.plain("card.unpacking")
    if line.percent is None:
        return t.plain("card.fetching")
    return t.plain("card.fetching_percent", percent=line.percent)


def choose(listed: Sequence[Card], chosen: str) -> list[Card]:
    """What cannot be launched is shown, last, and cannot be chosen."""
    ordered = sorted(listed, key=lambda card: not card.available)
    can = [card.distribution.slug for card in ordered if card.available]
    if chosen not in can:
        chosen = can[0] if can else ""
    return [
        replace(card, chosen=True) if card.distribution.slug == chosen else card for card in ordered
    ]


def find(listed: Sequence[Card], query: str, category: str) -> list[Card]:
    """Those of the category (of all, where it is empty) in which every word of the query occurs;
    `js/catalogue.js` finds the same."""
    return [
        card
        for card in listed
        if category in ("", card.distribution.category)
        and all(word in searched(card.distribution) for word in query.casefold().split())
    ]


def searched(distribution: Distribution) -> str:
    """What a search looks through."""
    words = (distribution.name, distribution.slug, distribution.summary, *distribution.inside)
    return " ".join(words).casefold()
