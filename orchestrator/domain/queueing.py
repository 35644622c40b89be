"""Who is next, and when: the order of the queue and its estimates. Pure functions."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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
class Launch:
    """What one who waits will take. Seconds."""

    turn: float  # for which its start keeps others waiting
    stay: float  # for which it keeps its place


def waits(
    launches: Iterable[Launch],
    *,
    free_places: int,
    ends: Iterable[float],
    turns: int,
    ahead: float,
) -> Iterator[float | None]:
    """How long each of those who wait, in order, waits for a place and for its turn. In seconds; it
    may be less, if somebody leaves early.

    `ends`: seconds until each place that is taken will be free; `turns`: starts at once; `ahead`:
    seconds that the starts under way will still take. None where there are no places at all.
    """
    places = [0.0] * free_places + [max(0.0, end) for end in ends]
    heapq.heapify(places)
    for launch in launches:
        if not places:
            yield None
            continue
        started = max(heapq.heappop(places), ahead / turns)
        yield started
        heapq.heappush(places, started + launch.stay)
        ahead += launch.turn
