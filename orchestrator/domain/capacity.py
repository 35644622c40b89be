"""How many instances there may be, how many there are, and what limits that now. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .models import Instance, State


class Limit(StrEnum):
    """What keeps the next launch waiting, or from happening; the strongest of them."""

    PAUSED = "paused"
    ROOM = "room"  # disk or memory is short
    PLACES = "places"  # all are taken
    TURNS = "turns"  # as many start at once as may
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Places:
    """By what has them. Together they are the capacity, unless more are taken than there may be."""

    ready: int
    starting: int
    stopping: int
    pooled: int  # nobody's yet: the next launch may have one
    free: int

    @property
    def taken(self) -> int:
        return self.ready + self.starting + self.stopping + self.pooled

    @property
    def parts(self) -> Mapping[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


def places(live: Iterable[Instance], capacity: int) -> Places:
    counts = dict.fromkeys((State.READY, State.STARTING, State.STOPPING), 0)
    pooled = 0
    for each in live:
        if each.pooled and each.state is not State.STOPPING:
            pooled += 1
        elif each.state in counts:
            counts[each.state] += 1
    taken = pooled + sum(counts.values())
    return Places(
        ready=counts[State.READY],
        starting=counts[State.STARTING],
        stopping=counts[State.STOPPING],
        pooled=pooled,
        free=max(capacity - taken, 0),
    )


def limit(found: Places, *, paused: bool, short: bool, queued: int, turns: int) -> Limit:
    """`turns`: how many may start at once."""
    if paused:
        return Limit.PAUSED
    if short:
        return Limit.ROOM
    if not found.free:
        return Limit.PLACES
    if queued and found.starting >= turns:
        return Limit.TURNS
    return Limit.NOTHING


def fitting(free: int, reserve: int, used: Iterable[int]) -> int | None:
    """How many more of the usual size fit into the memory that is free (bytes); None where nobody
    knows what is usual."""
    sizes = [each for each in used if each > 0]
    if not sizes:
        return None
    return max(free - reserve, 0) * len(sizes) // sum(sizes)
