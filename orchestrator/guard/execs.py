"""The commands that may be executed in an instance: the terminal that its distribution offers, and
what hangs up on it. Pure.

There are two documents, which `engine/terminal.py` writes, and in each a mark of chance. What is
sent must be one of them, to the letter: with no other user, no rights, no environment, no folder.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from ..domain.distribution import Distribution
from ..engine.terminal import MARK, exec_document, hang_up_document
from . import documents
from .refusals import Refused

_MARK: Final = re.compile(r"[0-9a-f]{32}")
START: Final = {"Detach": False, "Tty": True}
START_DETACHED: Final = {"Detach": True, "Tty": False}


@dataclass(frozen=True, slots=True)
class Exec:
    document: dict[str, Any]  # as it was understood
    start: dict[str, Any]  # the only way in which it may be started


def admitted(body: bytes, distribution: Distribution | None) -> Exec:
    """`distribution` is the instance's; None where it is in no catalogue. Raises Refused."""
    if distribution is None or not distribution.terminal:
        raise Refused("its distribution offers no terminal")
    sent = documents.parse(body)
    mark = _mark_in(sent)
    for document, start in (
        (exec_document(distribution.terminal, mark), START),
        (hang_up_document(mark), START_DETACHED),
    ):
        if sent == document:
            return Exec(document, start)
    raise Refused("this is neither the terminal that its distribution offers, nor its end")


def check_start(body: bytes, admitted_start: dict[str, Any]) -> None:
    """Raises Refused."""
    if documents.parse(body) != admitted_start:
        raise Refused(f"this exec is started with {admitted_start}")


def _mark_in(sent: dict[str, Any]) -> str:
    """Raises Refused."""
    for key, prefix in (("Env", MARK), ("Cmd", "")):
        words = sent.get(key)
        last = words[-1] if isinstance(words, list) and words else None
        if isinstance(last, str) and _MARK.fullmatch(mark := last.removeprefix(prefix)):
            return mark
    raise Refused("a terminal needs its mark")
