"""Who burns CPU time, and who has come to rest. Pure.

*Heat*, from 0 to 1, sums up what an instance has used: it rises by what is used of what one may
use, beyond `EASE`, and falls by what is below. Whoever uses all of it is hot in 15 seconds, whoever
uses 60 % in 35; whoever rests has cooled down in 35. A pause therefore does not undo what was
before it.

What one may use is one's own limit. On a machine that is full, where nobody may get so much, it is
no more than an equal part for each of those at work; and there only who uses as good as nothing
cools down, because others may just get no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

EASE: Final = 0.3  # of what one may use
SECONDS: Final = 10.5  # of using all beyond it, until one is hot
LONGEST: Final = 7.0  # seconds; no measurement counts for more
FULL: Final = 0.9  # of the machine's CPU time: above, nothing is to spare
AT_WORK: Final = 0.05  # cores; whoever uses less needs no part
NOTHING: Final = 0.005  # cores; a site that nobody visits


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    load: float  # the part of its CPU time that is used, by whomever


@dataclass(frozen=True, slots=True)
class Use:
    """Of CPU time, by one instance."""

    cores: float  # on average
    seconds: float  # over which that was measured
    limit: float  # cores


def rises(uses: Mapping[str, Use], machine: Machine) -> dict[str, float]:
    """By how much the heat of each rises, or falls."""
    full = machine.load >= FULL
    at_work = sum(each.cores >= AT_WORK for each in uses.values())
    part = machine.cores / max(at_work, 1) if full else float("inf")
    return {
        name: _rise(use, min(use.limit, part), may_cool=not full or use.cores < NOTHING)
        for name, use in uses.items()
    }


def _rise(use: Use, most: float, *, may_cool: bool) -> float:
    rise = (min(use.cores / most, 1.0) - EASE) * min(use.seconds, LONGEST) / SECONDS
    return rise if may_cool else max(rise, 0.0)
