"""How commands print: colours and tables on a terminal, plain text in a pipe, JSON where asked.

In a pipe rows are separated by tabs and have no heading, so that `cut` and `awk` get along.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

out = Console(highlight=False)
err = Console(highlight=False, stderr=True)


def print_json(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if out.is_terminal:
        out.print_json(text)
    else:
        typer.echo(text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """`empty` is what a terminal shows where there are no rows. Long addresses stay whole."""
    if not out.is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
    elif not rows:
        note(empty)
    else:
        widths = [max(map(len, cells)) + 2 for cells in zip(columns, *rows, strict=True)]
        for row, style in ((columns, "bold"), *((row, "") for row in rows)):
            line = "".join(map(str.ljust, row, widths)).rstrip()
            out.print(Text(line, style), soft_wrap=True)


def print_fields(fields: Mapping[str, str | None]) -> None:
    """One a line; those without a value are left out."""
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is None:
            continue
        if out.is_terminal:
            out.print(Text.assemble((name.ljust(width + 2), "bold"), value), soft_wrap=True)
        else:
            typer.echo(f"{name}\t{value}")


def say(text: str) -> None:
    """A result for people, on standard output."""
    out.print(Text(text), soft_wrap=True)


def note(text: str) -> None:
    """Something beside the result, on standard error."""
    err.print(Text(text), soft_wrap=True)


def complain(message: str, hint: str | None = None) -> None:
    err.print(Text.assemble(("distros: ", "bold red"), message), soft_wrap=True)
    if hint:
        err.print(Text(f"  {hint}"), soft_wrap=True)
