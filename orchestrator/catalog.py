"""The catalogue: every distribution on disk, checked as a whole before any of them is used."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .domain.distribution import Distribution
from .domain.errors import UnknownDistribution
from .domain.naming import SLUG_PATTERN

FILE: Final = "distribution.toml"


class Catalog:
    """The distributions, by name."""

    def __init__(self, distributions: Iterable[Distribution], root: Path = Path()) -> None:
        by_name = sorted(distributions, key=lambda each: (each.name.casefold(), each.slug))
        self._by_slug = {each.slug: each for each in by_name}
        self._root = root

    def __iter__(self) -> Iterator[Distribution]:
        return iter(self._by_slug.values())

    def __len__(self) -> int:
        return len(self._by_slug)

    def get(self, slug: str) -> Distribution:
        """Raises UnknownDistribution."""
        try:
            return self._by_slug[slug]
        except KeyError:
            raise UnknownDistribution(slug) from None

    def listed(self) -> tuple[Distribution, ...]:
        """What the public page shows."""
        return tuple(each for each in self if each.listed)

    def folder(self, slug: str) -> Path:
        """Where its image is built. Raises UnknownDistribution."""
        return self._root / self.get(slug).slug


@dataclass(frozen=True, slots=True)
class Problem:
    file: str  # as people see it: "distributions/dokuwiki/distribution.toml"
    key: str  # "readiness.deadline", "line 3", or "" for the file as a whole
    message: str  # what was wrong
    hint: str  # what would be right

    def __str__(self) -> str:
        return f"{self.file}: {f'{self.key} ' if self.key else ''}{self.message}; {self.hint}"


class InvalidCatalog(Exception):
    """Every problem there is, one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load_catalog(folder: Path) -> Catalog:
    """Raises InvalidCatalog."""
    distributions: list[Distribution] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("[!.]*/")):
        shown = f"{folder.name}/{path.name}"
        loaded = _load(path, shown)
        if isinstance(loaded, Distribution):
            distributions.append(loaded)
            problems += _beyond_the_schema(loaded, path, f"{shown}/{FILE}")
        else:
            problems += loaded
    problems += _shared_images(distributions, folder.name)
    if not distributions and not problems:
        problems.append(
            Problem(folder.name, "", "has no distributions", f"add a folder with a {FILE}")
        )
    if problems:
        raise InvalidCatalog(problems)
    return Catalog(distributions, folder)


def _load(path: Path, shown: str) -> Distribution | list[Problem]:
    if not SLUG_PATTERN.match(path.name):
        hint = "use 2 to 32 small letters, digits and hyphens, beginning with a letter"
        return [Problem(shown, "", "is no usable folder name", hint)]
    file = f"{shown}/{FILE}"
    try:
        data = tomllib.loads((path / FILE).read_text())
    except FileNotFoundError:
        return [Problem(file, "", "is missing", "write one, or remove the folder")]
    except OSError as error:
        return [Problem(file, "", f"cannot be read ({error.strerror})", "make it readable")]
    except UnicodeDecodeError:
        return [Problem(file, "", "is not UTF-8", "save it as UTF-8")]
    except tomllib.TOMLDecodeError as error:
        text, _, place = str(error).partition(" (at ")
        key = place.removesuffix(")") or "end"
        return [Problem(file, key, f"is not TOML ({text})", "see https://toml.io")]
    if "slug" in data:
        return [Problem(file, "slug", "is not a key", "rename the folder: it is the slug")]
    try:
        return Distribution.model_validate({"slug": path.name, **data})
    except ValidationError as error:
        return problems_of(file, error.errors())


def _beyond_the_schema(distribution: Distribution, path: Path, file: str) -> Iterator[Problem]:
    if distribution.image.build and not (path / "Dockerfile").is_file():
        hint = "add a Dockerfile beside it, or set it to false"
        yield Problem(file, "image.build", "is true without a Dockerfile", hint)
    tmpfs, memory = sum(distribution.tmpfs.values()), distribution.limits.memory
    if tmpfs > memory:
        message = f"takes {tmpfs:,} bytes in all, limits.memory allows {memory:,}"
        yield Problem(file, "tmpfs", message, "use less of it, or raise limits.memory")


def _shared_images(distributions: Iterable[Distribution], root: str) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for each in distributions:
        owner = owners.setdefault(each.image.ref, each.slug)
        if owner != each.slug:
            file, message = f"{root}/{each.slug}/{FILE}", f'is "{each.image.ref}", as {owner}\'s is'
            yield Problem(file, "image.ref", message, "give each distribution an image of its own")


# -- pydantic's complaints as sentences ------------------------------------------------------------

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
    r"^/[^\s]*$": 'use a path that begins with "/" and has no spaces',
    r"^[A-Z_][A-Z0-9_]*$": "use capital letters, digits and _, such as ADMIN_PASSWORD",
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
