"""Tables, and values as people write them in a settings file."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import AnyUrl, ByteSize
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from orchestrator.settings import ROOT, Networks


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(heading)
    yield _row(["---"] * len(heading))
    for row in rows:
        yield _row([cell.replace("|", "\\|") for cell in row])
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def code(value: str) -> str:
    return f"`{value}`" if value else ""


def default_of(field: FieldInfo) -> str:
    """ "" where there is none, or nothing."""
    value = field.get_default(call_default_factory=True)
    if value in (None, PydanticUndefined, {}):
        return ""
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return _duration(value)
        case ByteSize():
            return value.human_readable().replace(".0", "")
        case Path():
            return str(value.relative_to(ROOT) if value.is_relative_to(ROOT) else value)
        case AnyUrl():
            return str(value).rstrip("/") if value.path == "/" else str(value)
        case Networks():
            return str(value)
        case tuple():
            return f"[{', '.join(map(str, value))}]"
    return str(value)


def _duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
