"""Who is next, and when: the order of the queue and its estimates. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .models import Instance

PATIENCE = timedelta(minutes=1)


def fair_order(
    waiting: Iterable[Instance], held: Mapping[str, int], now: datetime
) -> tuple[str, ...]:
    """Instance ids: first come, first served, but each visitor's second site after everybody's
    first, and so on. Each minute of waiting makes up for one site, so that a stream of newcomers
    keeps nobody waiting for ever.

    `waiting` in order of arrival; `held` counts the sites that each owner has already.
    """
    sites = Counter(held)
    ranked = []
    for arrival, instance in enumerate(waiting):
        waited = max(0, (now - instance.created_at) // PATIENCE)
        ranked.append((max(0, sites[instance.owner] - waited), arrival, instance.id))
        sites[instance.owner] += 1
    return tuple(instance_id for _, _, instance_id in sorted(ranked))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What somebody in the queue has to reckon with."""

    free_places: int
    ends: Sequence[float]  # seconds until each place that is taken will be free, soonest first
    turn: float  # seconds until those ahead have had their turns


def seconds_until_started(position: int, outlook: Outlook) -> float | None:
    """How long the launch at `position` (1 is next) waits for a place and for its turn; None where
    no known end of a lease gives it a place."""
    place = 0.0
    if (behind := position - outlook.free_places) > 0:
        if behind > len(outlook.ends):
            return None
        place = max(0.0, outlook.ends[behind - 1])
    return max(place, outlook.turn)
