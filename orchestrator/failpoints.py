"""Named points at which a test can end the process, as a crash would.

They stand before and after every step of a launch, claim, renewal or ending that outlives the
process: what is written to the store, and what the engine does. `DISTROS_FAILPOINT=launch.admitted`
in the environment of `distros serve` makes the process send itself SIGKILL the first time it comes
there; `launch.admitted:3` the third time. Whatever had been done by then, the next process must
adopt or take back.

It is for tests, so it is no setting and not among those that operators read of. Nothing but the
process's own environment arms a point: no request, no setting of a distribution, no file that a
visitor can write. A point that is not armed costs the comparison with None.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import structlog

VARIABLE: Final = "DISTROS_FAILPOINT"

POINTS: Final = {
    "launch.admitting": "A launch has been checked; nothing is written yet.",
    "launch.admitted": "Its row is written, and queues; the answer is not given yet.",
    "launch.placing": "It is next; its row still queues.",
    "launch.placed": "Its row has a place and an address; nobody works on it yet.",
    "launch.fetched": "The image has been pulled.",
    "launch.starting": "Its row says `container`; the engine has not been asked.",
    "launch.created": "The engine has created the container, and not started it (in the engine).",
    "launch.started": "The engine has started the container; the row does not say so.",
    "launch.booting": "The row says that the container runs.",
    "launch.answered": "The site has answered as it should; the row does not say so.",
    "launch.ready": "The row says `ready`.",
    "pool.stocking": "The pool is short of one; nothing is written yet.",
    "pool.stocked": "The row of a pooled instance is written; nobody works on it yet.",
    "claim.writing": "A pooled instance has been chosen for a launch; it is nobody's yet.",
    "claim.written": "It is the visitor's; the answer is not given yet.",
    "renew.writing": "A renewal is possible; nothing is written yet.",
    "renew.written": "The new end is written; the answer is not given yet.",
    "expire.deciding": "A lease is over; its row does not say so.",
    "delete.deciding": "A deletion is asked for and allowed; nothing is written yet.",
    "cancel.written": "A launch that queued is over; there was no container.",
    "end.decided": "The row says `stopping`; nobody works on it yet.",
    "end.log_kept": "The last lines of the log are kept, if any; the container is still there.",
    "end.removed": "The engine has confirmed the removal; the row does not say so.",
    "end.noted": "The row says `gone` or `failed`.",
    "discard.removing": "A container whose row has ended has been found; it is still there.",
    "discard.removed": "The engine has confirmed its removal.",
    "adopt.writing": "A container without a row has been found; nothing is written yet.",
    "adopt.written": "It has a row.",
}


class UnknownFailpoint(Exception):
    """The message is a sentence with what would be right."""


@dataclass
class _Armed:
    name: str
    times: int  # how often it may yet be reached; it acts on the last
    act: Callable[[], object]


_armed: _Armed | None = None


def failpoint(name: str) -> None:
    """Does nothing, unless a test wants the process to end here."""
    if _armed is not None:
        _reach(_armed, name)


def arm(text: str | None, act: Callable[[], object] | None = None) -> None:
    """Makes `name` or `name:times` act, instead of what was armed before; None for no point.

    `act` is SIGKILL to the process itself, unless a test plays the crash inside its own process.
    Raises UnknownFailpoint.
    """
    global _armed
    _armed = None
    if text:
        name, _, times = text.partition(":")
        if name not in POINTS:
            close = get_close_matches(name, POINTS, 1)
            hint = f"did you mean {close[0]}?" if close else "orchestrator/failpoints.py has all"
            raise UnknownFailpoint(f"there is no point “{name}”; {hint}")
        if times and not (times.isdecimal() and int(times)):
            raise UnknownFailpoint(f"“{times}” is no number of times; write such as {name}:3")
        _armed = _Armed(name, int(times or 1), act or _kill)


def arm_from_environment() -> None:
    """Raises UnknownFailpoint."""
    text = os.environ.get(VARIABLE)
    arm(text)
    if text:
        structlog.get_logger(__name__).warning("failpoint armed: this process will end", at=text)


def _reach(armed: _Armed, name: str) -> None:
    if name == armed.name:
        armed.times -= 1
        if armed.times == 0:
            armed.act()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
