"""Who burns CPU time, and who has come to rest. Pure.

What an instance uses is seen measurement by measurement. Whoever uses most of what it may is
*burning*; on a machine that is full, also whoever uses most of an equal part: of the machine among
all, or of what those at work use among these, whichever is more. Whoever uses little is *at rest*;
on a full machine only who uses next to nothing, because others may just get no more. What is
neither says nothing.

*Heat* sums that up: it rises to 1 in `HEATS` seconds of burning, and falls to 0 in `COOLS` seconds
of rest. A pause therefore does not undo what was before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HEATS: Final = 15.0  # seconds
COOLS: Final = 30.0  # seconds
FULL: Final = 0.9  # of the machine's CPU time: above, nothing is to spare
BURNING: Final = 0.6  # of what one may use
RESTING: Final = 0.3  # of it
AT_WORK: Final = 0.05  # cores; whoever uses less needs no share


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


def heats(uses: Mapping[str, Use], machine: Machine) -> dict[str, float]:
    """By how much the heat of each rises or falls."""
    full = machine.load >= FULL
    most = _equal_part(uses, machine) if full else float("inf")
    return {name: _heat(use, min(use.limit, most), full=full) for name, use in uses.items()}


def _equal_part(uses: Mapping[str, Use], machine: Machine) -> float:
    """In cores."""
    at_work = [each.cores for each in uses.values() if each.cores >= AT_WORK]
    of_work = sum(at_work) / max(len(at_work), 1)
    return max(of_work, machine.cores / max(len(uses), 1))


def _heat(use: Use, most: float, *, full: bool) -> float:
    if use.cores >= max(BURNING * most, AT_WORK):
        return use.seconds / HEATS
    if use.cores < (AT_WORK if full else RESTING * use.limit):
        return -use.seconds / COOLS
    return 0.0
