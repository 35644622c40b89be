"""Who uses more of the machine's CPU time than others can spare. Pure.

An instance that burns all it may is nobody's business while the machine has time to spare. Where it
has not, each may use what is left when all who work share alike. Whether somebody has come to rest
can be told only while there is time to spare: else they may just get none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BUSY: Final = 0.4  # of the machine's CPU time: below, nobody is in anybody's way
FULL: Final = 0.9  # of it: above, nothing is to spare
GREEDY: Final = 0.8  # of what one may use
RESTING: Final = 0.4  # of it
AT_WORK: Final = 0.05  # cores; whoever uses less needs no share


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    load: float  # of its CPU time, 0 to 1, whoever uses it


def greedy(used: Mapping[str, float], limits: Mapping[str, float], machine: Machine) -> set[str]:
    """Which of those instances use more than they should; `used` and `limits` are in cores."""
    if machine.load < BUSY:
        return set()
    working = sum(cores >= AT_WORK for cores in used.values())
    most = machine.cores / max(working, 1) if machine.load >= FULL else float("inf")
    return {each for each, cores in used.items() if cores >= GREEDY * min(limits[each], most)}


def resting(used: Mapping[str, float], limits: Mapping[str, float], machine: Machine) -> set[str]:
    if machine.load >= FULL:
        return set()
    return {each for each, cores in used.items() if cores < RESTING * limits[each]}
