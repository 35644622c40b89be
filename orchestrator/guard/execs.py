"""The commands that may be executed in an instance: the terminal that its distribution offers, what
hangs up on it, and what packs a site that is taken away. Pure.

Their documents are those that `engine/terminal.py` and `engine/output.py` write; in a terminal's is
a mark of chance. What is sent must be one of them, to the letter: with no other user, no rights, no
environment, no folder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..domain import take_away
from ..domain.distribution import Distribution
from ..engine.output import output_document
from ..engine.terminal import MARK, exec_document, hang_up_document
from . import documents
from .refusals import Refused

_MARK: Final = re.compile(r"[0-9a-f]{32}")
START: Final = {"Detach": False, "Tty": True}
START_DETACHED: Final = {"Detach": True, "Tty": False}
START_READING: Final = {"Detach": False, "Tty": False}


@dataclass(frozen=True, slots=True)
class Exec:
    document: dict[str, Any]  # as it was understood
    start: dict[str, Any]  # the only way in which it may be started


def admitted(body: bytes, distribution: Distribution | None) -> Exec:
    """`distribution` is the instance's; None where it is in no catalogue. Raises Refused."""
    if distribution is None or not (distribution.terminal or distribution.take_away):
        raise Refused("its distribution lets nothing be executed")
    sent = documents.parse(body)
    for possible in _possible(distribution, _mark_in(sent)):
        if sent == possible.document:
            return possible
    raise Refused("this is nothing that its distribution lets be executed")


def _possible(distribution: Distribution, mark: str | None) -> Iterator[Exec]:
    if distribution.take_away is not None:
        command = take_away.command(distribution.take_away)
        yield Exec(output_document(command), START_READING)
    if distribution.terminal and mark is not None:
        yield Exec(exec_document(distribution.terminal, mark), START)
        yield Exec(hang_up_document(mark), START_DETACHED)


def check_start(body: bytes, admitted_start: dict[str, Any]) -> None:
    """Raises Refused."""
    if documents.parse(body) != admitted_start:
        raise Refused(f"this exec is started with {admitted_start}")


def _mark_in(sent: dict[str, Any]) -> str | None:
    for key, prefix in (("Env", MARK), ("Cmd", "")):
        words = sent.get(key)
        last = words[-1] if isinstance(words, list) and words else None
        if isinstance(last, str) and _MARK.fullmatch(mark := last.removeprefix(prefix)):
            return mark
    return None
