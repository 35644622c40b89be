"""Writes the reference pages from the code that they describe: `generate.py [--check]`.

`.env.example` as a whole; in docs/ what stands between the two markers of a page. With --check
nothing is written: what is stale is shown, and the exit code is 1.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import typer
from pydantic import AnyHttpUrl, BaseModel, ByteSize, HttpUrl
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.cli.environment import CommandSettings
from orchestrator.cli.errors import MEANINGS
from orchestrator.domain.distribution import Distribution
from orchestrator.domain.errors import DistrosError
from orchestrator.settings import Settings
from orchestrator.web.api import OPERATIONS, PREFIX
from orchestrator.web.errors import status_of

ROOT: Final = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- generated -->", "<!-- /generated -->"
HELP_WIDTH = "88"

# The settings' sections, each by its first field.
SECTIONS: Final = {
    "site_url": "What people change",
    "host": "Where the parts are",
    "start_concurrency": "How it behaves",
}

# What docker-compose.yml and the scripts read beside the settings; the defaults are theirs.
STACK_VARIABLES: Final = {
    "DISTROS_LISTEN": "Address on which the site and its instances are published.",
    "DISTROS_ADMIN_LISTEN": "Address of the Traefik dashboard, ping and metrics; the admin's only.",
    "DISTROS_PORTAINER_LISTEN": "Address of Portainer; the admin's only.",
    "DISTROS_DOCKER_SOCKET": "The Docker Engine's socket on this machine.",
    "DISTROS_STATE": "Folder for what the stack writes here: Traefik's configuration, logs.",
    "DISTROS_TRAEFIK_ADDRESS": "Traefik's own in the instances' network; `make up` takes the "
    "second of DISTROS_SUBNET.",
    "DISTROS_CA_BUNDLE": "Certificates that the images' build trusts.",
    "DISTROS_ENV_FILE": "This very file, for a second stack; to be set in the environment.",
}
NEEDED_SECRETS = ("admin_token", "secret_key")  # `make up` fills these in


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = {path: text for path, text in pages().items() if _read(path) != text}
    for path, text in stale.items():
        if check:
            sys.stdout.writelines(_diff(path, text))
        else:
            path.write_text(text)
    if check and stale:
        print("Run `.venv/bin/python scripts/generate.py`.")
    return int(check and bool(stale))


def pages() -> dict[Path, str]:
    parts = {
        "configuration.md": configuration(),
        "distributions.md": distributions(),
        "cli.md": commands(),
        "api.md": api(),
    }
    return {ROOT / ".env.example": env_example()} | {
        path: _between_markers(path, lines)
        for path, lines in ((ROOT / "docs" / name, lines) for name, lines in parts.items())
    }


# -- settings ------------------------------------------------------------------------------------


def env_example() -> str:
    return "\n".join(_env_lines()) + "\n"


def _env_lines() -> Iterator[str]:
    yield "# Settings of the stack. `make up` copies this file to .env and makes the secrets."
    yield "# A line that begins with `# DISTROS_` shows a default."
    for title, fields in _sections():
        yield from ("", f"# -- {title} ".ljust(80, "-"))
        for name, field in fields.items():
            empty = "" if name in NEEDED_SECRETS else "# "
            yield from ("", *_comment(_describe(name, field)))
            yield f"{empty}{_variable(name)}={_default(field)}"
    yield from ("", "# -- What Compose publishes and mounts ".ljust(80, "-"))
    for name, description in STACK_VARIABLES.items():
        yield from ("", *_comment(description), f"# {name}={stack_defaults().get(name, '.env')}")


def configuration() -> Iterator[str]:
    for title, fields in _sections():
        yield from (f"## {title}", "")
        yield from _table(
            ("Variable", "Default", "What it is"),
            (
                (f"`{_variable(name)}`", _code(_default(field)), _describe(name, field))
                for name, field in fields.items()
            ),
        )
    yield from ("## What Compose publishes and mounts", "")
    yield from _table(
        ("Variable", "Default", "What it is"),
        (
            (f"`{name}`", _code(stack_defaults().get(name, ".env")), description)
            for name, description in STACK_VARIABLES.items()
        ),
    )
    yield from ("## What the `distros` command reads", "")
    yield from _table(
        ("Variable", "What it is"),
        (
            (f"`{_variable(name)}`", field.description or "")
            for name, field in CommandSettings.model_fields.items()
        ),
    )


def stack_defaults() -> dict[str, str]:
    """Name → default of every variable that docker-compose.yml reads and that is no setting."""
    text = (ROOT / "docker-compose.yml").read_text()
    pattern = r"\$\{(DISTROS_\w+):-((?:[^{}]|\$\{[^}]*\})*)\}"
    settings = {_variable(name) for name in Settings.model_fields}
    return {
        name: re.sub(pattern, r"\2", default)
        for name, default in re.findall(pattern, text)
        if name not in settings
    }


def _sections() -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    section: dict[str, FieldInfo] = {}
    title = ""
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            if section:
                yield title, section
            title, section = SECTIONS[name], {}
        section[name] = field
    yield title, section


def _describe(name: str, field: FieldInfo) -> str:
    bounds = {type(rule).__name__: rule for rule in field.metadata}
    said = [field.description or ""]
    if "Ge" in bounds and "Le" in bounds:
        said.append(f"{bounds['Ge'].ge} to {bounds['Le'].le}.")
    if get_origin(field.annotation) is Literal:
        said.append(f"One of {', '.join(f'`{value}`' for value in get_args(field.annotation))}.")
    if _variable(name) in _set_by_compose():
        said.append("In the Compose stack it is fixed.")
    return " ".join(said)


def _set_by_compose() -> set[str]:
    """What docker-compose.yml sets itself, whatever .env says."""
    text = (ROOT / "docker-compose.yml").read_text()
    return set(re.findall(r"^ +(DISTROS_\w+): (?!\$\{)", text, re.MULTILINE))


def _variable(name: str) -> str:
    return f"DISTROS_{name}".upper()


# -- the other pages -------------------------------------------------------------------------------


def distributions() -> Iterator[str]:
    yield from _model_table("At the top of the file", Distribution)
    for name, field in Distribution.model_fields.items():
        model = next((kind for kind in _alternatives(field.annotation) if _is_model(kind)), None)
        if model is not None:
            yield from _model_table(f"`[{name}]`", model)


def _model_table(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield from (f"### {title}", "")
    if model.__doc__ and model is not Distribution:
        yield from (" ".join(model.__doc__.split()), "")
    yield from _table(
        ("Key", "Value", "Default", "What it is"),
        (
            (f"`{name}`", _kind(field), _default_cell(field), field.description or "")
            for name, field in model.model_fields.items()
            if not any(map(_is_model, _alternatives(field.annotation))) and name != "slug"
        ),
    )


def commands() -> Iterator[str]:
    yield from ("## Exit codes", "")
    yield from _table(
        ("Code", "Meaning"), ((str(code.value), text) for code, text in MEANINGS.items())
    )
    yield from ("## Commands", "")
    for words in command_names(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": HELP_WIDTH})
        text = "\n".join(line.rstrip() for line in shown.stdout.strip().splitlines())
        yield from (f"### distros {' '.join(words)}", "", "```text", text, "```", "")


def command_names(command: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in command.commands.items():
        if hasattr(below, "commands"):
            yield from command_names(below, (*above, name))
        else:
            yield (*above, name)


def api() -> Iterator[str]:
    yield from ("## Calls", "")
    yield from _table(
        ("Call", "What it does", "Answers", "Problems"),
        (
            (
                f"`{one.method} {PREFIX}{one.path}`",
                one.summary,
                ", ".join(map(str, one.answers)),
                ", ".join(map(str, one.problems)),
            )
            for one in OPERATIONS
        ),
    )
    yield from ("## Problem codes", "")
    coded = {kind.code: kind for kind in reversed(list(_errors(DistrosError)))}
    yield from _table(
        ("Code", "Status"),
        sorted((f"`{code}`", str(status_of(kind.__new__(kind)))) for code, kind in coded.items()),
    )


def _errors(kind: type[DistrosError]) -> Iterator[type[DistrosError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _errors(below)
