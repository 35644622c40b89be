"""The API's calls and problem codes, from the table and the errors that make them."""

from collections.abc import Iterator

from orchestrator.domain.errors import DistrosError
from orchestrator.web.api import OPERATIONS, PREFIX
from orchestrator.web.errors import STATUS

from .markdown import code, table


def section() -> Iterator[str]:
    yield from ("## Calls", "")
    yield from table(
        ("Call", "What it does", "Answers", "Problems"),
        (
            (
                code(f"{one.method} {PREFIX}{one.path}"),
                one.summary,
                ", ".join(map(str, one.answers)),
                ", ".join(map(str, one.all_problems)),
            )
            for one in OPERATIONS
        ),
    )
    yield from ("## Problem codes", "")
    statuses = {kind.code: _status(kind) for kind in _below(DistrosError)}
    yield from table(
        ("Code", "Status"), sorted((code(it), status) for it, status in statuses.items())
    )


def _below(kind: type[DistrosError]) -> Iterator[type[DistrosError]]:
    for below in kind.__subclasses__():
        yield from _below(below)
    yield kind


def _status(kind: type[DistrosError]) -> str:
    return str(next(STATUS[base] for base in kind.__mro__ if base in STATUS))
