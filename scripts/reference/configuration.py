"""`.env.example` and docs/configuration.md, from the settings and docker-compose.yml."""

import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from orchestrator.settings import ROOT, STACK_VARIABLES, CommandSettings, Settings
from orchestrator.settings.behaviour import BehaviourSettings
from orchestrator.settings.parts import PartSettings
from orchestrator.settings.problems import variable
from orchestrator.settings.site import SiteSettings
from orchestrator.settings.visitors import VisitorSettings

from .markdown import code, default_of, table

SECTIONS: Final = (SiteSettings, VisitorSettings, PartSettings, BehaviourSettings)
FILLED_IN: Final = ("admin_token", "secret_key")  # by `make up`
MOUNTED: Final = {"DISTROS_DISTRIBUTIONS_DIR"}  # what .env says is mounted where Compose sets it

STACK: Final = "What Compose publishes and mounts"

INTRODUCTION: Final = """\
# Settings of the stack. `make up` copies this file to .env and makes the two secrets in it.
# Commented out are the defaults. docs/configuration.md says more."""


def env_example() -> Iterator[str]:
    yield INTRODUCTION
    for title, fields in _sections():
        yield from _title(title)
        for name, field in fields.items():
            assignment = f"{variable(name)}={default_of(field)}"
            yield from ("", *_comment(_describe(name, field)))
            yield assignment if name in FILLED_IN else f"# {assignment}"
    yield from _title(STACK)
    for name, default in _stack_defaults().items():
        yield from ("", *_comment(STACK_VARIABLES[name]), f"# {name}={default}")


def section() -> Iterator[str]:
    for title, fields in _sections():
        yield from (f"## {title}", "")
        yield from table(
            ("Variable", "Default", "What it is"),
            (
                (code(variable(name)), code(default_of(field)), _describe(name, field))
                for name, field in fields.items()
            ),
        )
    yield from (f"## {STACK}", "")
    yield from table(
        ("Variable", "Default", "What it is"),
        (
            (code(name), code(default), STACK_VARIABLES[name])
            for name, default in _stack_defaults().items()
        ),
    )
    yield from ("## What the `distros` command reads", "")
    yield from table(
        ("Variable", "What it is"),
        (
            (code(variable(name)), field.description or "")
            for name, field in CommandSettings.model_fields.items()
        ),
    )


def _sections() -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """Each module's docstring is its title."""
    for section in SECTIONS:
        title = (sys.modules[section.__module__].__doc__ or "").removesuffix(".")
        yield title, section.model_fields


def _describe(name: str, field: FieldInfo) -> str:
    said = [field.description or ""]
    if bounds := _bounds(field):
        said.append(f"{bounds}.")
    if get_origin(field.annotation) is Literal:
        said.append(f"One of {', '.join(get_args(field.annotation))}.")
    if variable(name) in _fixed_by_compose():
        said.append("The Compose stack sets it itself.")
    return " ".join(said)


def _bounds(field: FieldInfo) -> str | None:
    least = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    most = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    return None if least is None or most is None else f"{least} to {most}"


def _fixed_by_compose() -> set[str]:
    """What docker-compose.yml sets for the orchestrator, whatever .env says."""
    found = set(re.findall(r"^ +(DISTROS_\w+): (?!\$\{)", _compose_file(), re.MULTILINE))
    return found - MOUNTED


def _stack_defaults() -> dict[str, str]:
    """The variables that docker-compose.yml reads and that are no settings, with its defaults."""
    pattern = r"\$\{(DISTROS_\w+):-((?:[^{}]|\$\{[^}]*\})*)\}"
    found = {
        name: re.sub(pattern, r"\2", text) for name, text in re.findall(pattern, _compose_file())
    }
    known = {variable(name) for name in Settings.model_fields}
    if strange := found.keys() - known - STACK_VARIABLES.keys():
        raise SystemExit(
            f"docker-compose.yml reads {strange}: describe it in orchestrator/settings/command.py."
        )
    return {name: found[name] for name in STACK_VARIABLES}


def _compose_file() -> str:
    return (ROOT / "docker-compose.yml").read_text()


def _title(title: str) -> tuple[str, str]:
    return "", f"# -- {title} ".ljust(90, "-")


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 90, initial_indent="# ", subsequent_indent="# ")
