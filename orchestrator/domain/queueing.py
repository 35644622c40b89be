"""Who is next, and when: the order of the queue and its estimates. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .models import Instance


def fair_order(waiting: Iterable[Instance], held: Mapping[str, int]) -> tuple[str, ...]:
    """Instance ids: first come, first served, but each visitor's second site after everybody's
    first, and so on. `waiting` in order of arrival; `held` counts the sites that each owner has
    already."""
    turns = Counter(held)
    ranked = []
    for arrival, instance in enumerate(waiting):
        ranked.append((turns[instance.owner], arrival, instance.id))
        turns[instance.owner] += 1
    return tuple(instance_id for _, _, instance_id in sorted(ranked))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the queue has to reckon with."""

    free_places: int
    ends: Sequence[float]  # seconds until each lease ends, soonest first
    turns: int  # starts at once
    under_way: int  # of them taken now


def seconds_until_started(position: int, outlook: Outlook, turn: float) -> float | None:
    """How long the launch at `position` (1 is next) waits for a place and for its turn.

    `turn` is how long a start keeps others waiting, in seconds. None where no known end of a
    lease gives it a place.
    """
    place = 0.0
    if (behind := position - outlook.free_places) > 0:
        if behind > len(outlook.ends):
            return None
        place = max(0.0, outlook.ends[behind - 1])
    rounds = (outlook.under_way + position - 1) // outlook.turns
    return max(place, rounds * turn)
