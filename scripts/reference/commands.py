"""The `distros` command's pages, as its own --help prints them."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.cli.errors import MEANINGS

from .markdown import table

WIDTH = "90"


def section() -> Iterator[str]:
    yield from ("## Exit codes", "")
    yield from table(
        ("Code", "Meaning"), ((str(code.value), text) for code, text in MEANINGS.items())
    )
    yield from ("## Commands", "")
    for words in command_names(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*words, "--help"], prog_name="distros", terminal_width=90)
        text = "\n".join(line.rstrip() for line in shown.stdout.strip().splitlines())
        yield from (f"### distros {' '.join(words)}", "", "```text", text, "```", "")


def command_names(command: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in command.commands.items():
        if hasattr(below, "commands"):
            yield from command_names(below, (*above, name))
        else:
            yield (*above, name)
