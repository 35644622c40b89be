"""The settings: read once, frozen, every problem reported at once.

`.env.example` and `docs/configuration.md` are generated from what stands here
(`scripts/generate.py`), so a description here is the documentation, a section a module, and its
docstring the section's title.
"""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, SettingsConfigDict

from ..failpoints import VARIABLE as FAILPOINT
from .behaviour import ROOT, BehaviourSettings
from .command import STACK_VARIABLES, CommandSettings
from .fields import Networks
from .parts import PartSettings
from .problems import complaints, variable
from .site import SiteSettings
from .visitors import VisitorSettings

__all__ = [
    "ROOT",
    "STACK_VARIABLES",
    "CommandSettings",
    "InvalidSettings",
    "Networks",
    "Settings",
    "load_settings",
]


class Settings(BehaviourSettings, PartSettings, VisitorSettings, SiteSettings):
    """The last base's fields come first: others are checked against them."""

    model_config = SettingsConfigDict(env_prefix="DISTROS_", frozen=True, extra="ignore")


# What an older `.env` may still have.
REMOVED: Final = {
    "DISTROS_ENTRYPOINT": "is no setting any more: Traefik's entrypoint is `web`; take it out",
}


class InvalidSettings(Exception):
    """Every problem, one a line, with the variable's name and what would be right."""


def load_settings(env_file: Path | None = None, **overrides: object) -> Settings:
    """Reads `DISTROS_…` variables, and then those of `env_file`. Raises InvalidSettings."""
    problems = list(_unknown(env_file))
    given: dict[str, Any] = {"_env_file": env_file, **overrides}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise InvalidSettings("\n".join([*complaints(Settings, error), *problems])) from error
    if problems:
        raise InvalidSettings("\n".join(problems))
    return settings


def _unknown(env_file: Path | None) -> Iterator[str]:
    """A mistyped name would otherwise pass in silence."""
    fields = (*Settings.model_fields, *CommandSettings.model_fields)
    known = {*map(variable, fields), *STACK_VARIABLES, FAILPOINT}
    found = {*os.environ, *DotEnvSettingsSource(Settings, env_file=env_file).env_vars}
    for name in sorted({name.upper() for name in found} - known):
        if name in REMOVED:
            yield f"{name}: {REMOVED[name]}"
        elif name.startswith("DISTROS_"):
            bare = [each.removeprefix("DISTROS_") for each in known]
            close = get_close_matches(name.removeprefix("DISTROS_"), bare, 1)
            hint = f"did you mean DISTROS_{close[0]}?" if close else "docs/configuration.md has all"
            yield f"{name}: is no setting; {hint}"
