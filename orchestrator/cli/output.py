"""How commands print: colours and tables on a terminal, plain text in a pipe, JSON where asked.

In a pipe rows are separated by tabs and have no heading, so that `cut` and `awk` get along. With
NO_COLOR (https://no-color.org) a terminal gets neither colours nor bold letters.
"""

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from . import tables

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

COMPLAINT: Final = "distros: "
STYLES: Final = {  # of what a cell says
    "ready": "green",
    "yes": "green",
    "queued": "yellow",
    "starting": "yellow",
    "stopping": "dim",
    "failed": "red",
    "no": "dim",
    "revoked": "dim",
}


def console(*, stderr: bool = False) -> Console:
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(highlight=False, stderr=stderr, color_system=None if plain else "auto")


out = console()
err = console(stderr=True)


def print_json(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if out.is_terminal:
        out.print_json(text)
    else:
        typer.echo(text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """`empty` is what a terminal shows where there are no rows."""
    rows = [[clean(cell) for cell in row] for row in rows]
    if not out.is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
    elif not rows:
        note(empty)
    else:
        for line in tables.lines(columns, rows, out.width, STYLES):
            out.print(line, soft_wrap=True)


def print_fields(fields: Mapping[str, str | None]) -> None:
    """One a line; those without a value are left out."""
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is None:
            continue
        value = clean(value)
        if out.is_terminal:
            style = STYLES.get(value, "") if name == "state" else ""
            told = Text.assemble((name.ljust(width + 2), "bold"), (value, style))
            out.print(told, soft_wrap=True)
        else:
            typer.echo(f"{name}\t{value}")


def clean(text: str) -> str:
    """Without what moves a terminal's cursor, or would make two cells or rows of one."""
    return "".join(" " if unicodedata.category(each) == "Cc" else each for each in text)


def say(text: str) -> None:
    """A result for people, on standard output."""
    _print_prose(out, text)


def note(text: str) -> None:
    """Something beside the result, on standard error."""
    _print_prose(err, text)


def complain(message: str, hint: str | None = None) -> None:
    _print_prose(err, f"{COMPLAINT}{message}", start=(COMPLAINT, "bold red"))
    if hint:
        _print_prose(err, f"  {hint}")


def _print_prose(console: Console, text: str, start: tuple[str, str] = ("", "")) -> None:
    """Folded on a terminal; in a pipe each line stays one. `start`: how it begins, and how that is
    shown."""
    if console.is_terminal:
        lines = (tables.folded(line, console.width) or [""] for line in text.split("\n"))
        text = "\n".join("\n".join(each) for each in lines)
    begin, style = start
    console.print(Text.assemble((begin, style), text.removeprefix(begin)), soft_wrap=True)
