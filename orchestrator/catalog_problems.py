"""What is wrong with a distribution.toml: pydantic's complaints as sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from .domain.distribution import Distribution
from .domain.fields import (
    ENVIRONMENT_NAME,
    IMAGE_REFERENCE,
    MOUNT_PATH,
    RUNTIME,
    URL_PATH,
    USER_NUMBER,
)


@dataclass(frozen=True, slots=True)
class Problem:
    file: str  # as people see it: "distributions/dokuwiki/distribution.toml"
    key: str  # "readiness.deadline", "line 3", or "" for the file as a whole
    message: str  # what was wrong
    hint: str  # what would be right

    def __str__(self) -> str:
        return f"{self.file}: {f'{self.key} ' if self.key else ''}{self.message}; {self.hint}"


_HINTS: Final[Mapping[str, str]] = {
    "bool_type": "use true or false",
    "byte_size": 'use a size such as "256MiB"',
    "byte_size_unit": 'use a size such as "256MiB"',
    "dict_type": "use a table",
    "float_type": "use a number",
    "greater_than": "use more than {gt:g}",
    "greater_than_equal": "use {ge} or more",
    "int_type": "use a whole number",
    "less_than_equal": "use {le:g} or less",
    "literal_error": "use one of {expected}",
    "model_type": "use a table",
    "string_too_long": "use at most {max_length} characters",
    "string_too_short": "write something",
    "string_type": "use text in quotes",
    "too_short": "name at least {min_length}",
    "tuple_type": "use a list, such as [200]",
}
_PATTERNS: Final[Mapping[str, str]] = {
    IMAGE_REFERENCE: 'use an image reference in small letters, such as "distros/mywiki:1.0"',
    URL_PATH: 'use a path that begins with "/" and has no spaces',
    MOUNT_PATH: 'use the path of a folder, such as "/tmp"',
    RUNTIME: 'use a runtime that the engine knows, such as "runsc"',
    USER_NUMBER: 'use numbers, such as "1000:1000", and not root\'s',
    ENVIRONMENT_NAME: "use capital letters, digits and _, such as ADMIN_PASSWORD",
}


def problems_of(file: str, details: Sequence[ErrorDetails]) -> list[Problem]:
    """Pydantic's errors, as what was wrong and what would be right."""
    places = {detail["loc"] for detail in details}
    return [
        _problem(file, detail)
        for detail in details
        if not (detail["type"] == "too_short" and any(p[:-1] == detail["loc"] for p in places))
    ]


def _problem(file: str, detail: ErrorDetails) -> Problem:
    location = tuple(part for part in detail["loc"] if part != "[key]")
    key = ".".join(map(str, location))
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return Problem(file, key, "is missing", f"add it: {_description(location)}")
    if kind == "extra_forbidden":
        known = [each for each in _fields(location[:-1]) if each != "slug"]
        close = get_close_matches(str(location[-1]), known, 1)
        hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
        return Problem(file, key, "is not a key", hint)
    said = detail["msg"].removeprefix("Value error, ")
    if isinstance(value, Mapping) and kind == "value_error":  # about the table, not one value
        return Problem(file, key, "is contradictory", f"it {said}")
    if kind == "string_pattern_mismatch":
        hint = _PATTERNS.get(context["pattern"], f"match {context['pattern']}")
    elif kind.startswith("url_"):
        hint = 'use a full address, such as "https://www.example.org/"'
    else:
        hint = _HINTS[kind].format(**context) if kind in _HINTS else f"it {said}"
    return Problem(file, key, f"is {_toml(value)}", hint)


def _toml(value: object) -> str:
    """A value as it stands in the file, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:60]}…"'
    return "a table" if isinstance(value, Mapping) else str(value)


def _fields(location: tuple[str | int, ...]) -> Mapping[str, Any]:
    """The fields of the table at this place in the schema."""
    model: type[BaseModel] = Distribution
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        model = next(
            each
            for each in (annotation, *get_args(annotation))
            if isinstance(each, type) and issubclass(each, BaseModel)
        )
    return model.model_fields


def _description(location: tuple[str | int, ...]) -> str:
    field = _fields(location[:-1])[str(location[-1])]
    return str(field.description or f"the table [{location[-1]}]")
