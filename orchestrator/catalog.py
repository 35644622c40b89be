"""The catalogue: every distribution on disk, checked as a whole before any of them is used."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import ByteSize, TypeAdapter, ValidationError

from .catalog_problems import Problem, problems_of
from .domain.distribution import DEFAULT_TMPFS, SMALLEST_MEMORY, Distribution, Limits, Pool
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

    def with_pools(self, pools: Mapping[str, Pool]) -> "Catalog":
        """With other bounds of these distributions' pools. Raises UnknownDistribution."""
        changed = {
            slug: self.get(slug).model_copy(update={"pool": pool}) for slug, pool in pools.items()
        }
        return Catalog([changed.get(each.slug, each) for each in self], self._root)

    def with_lifetimes_up_to(self, longest: timedelta) -> "Catalog":
        """None of them lives longer than that."""
        return Catalog(
            [each.model_copy(update={"lifetime": min(each.lifetime, longest)}) for each in self],
            self._root,
        )

    def folder(self, slug: str) -> Path:
        """Where its image is built. Raises UnknownDistribution."""
        return self._root / self.get(slug).slug


class InvalidCatalog(Exception):
    """Every problem there is, one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class _File:
    """A distribution.toml, as far as it could be read."""

    path: Path
    shown: str  # as people see it
    data: Mapping[str, Any]

    def table(self, name: str) -> Mapping[str, Any]:
        """{} where it is none: the schema says so."""
        found = self.data.get(name)
        return found if isinstance(found, dict) else {}


def load_catalog(folder: Path) -> Catalog:
    """Raises InvalidCatalog."""
    distributions: list[Distribution] = []
    files: list[_File] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("[!.]*/")):
        shown = f"{folder.name}/{path.name}"
        if not SLUG_PATTERN.match(path.name):
            hint = "use 2 to 32 small letters, digits and hyphens, beginning with a letter"
            problems.append(Problem(shown, "", "is no usable folder name", hint))
        file = _read(path / FILE, f"{shown}/{FILE}")
        if isinstance(file, Problem):
            problems.append(file)
            continue
        files.append(file)
        distribution, complaints = _validate(path.name, file)
        if distribution is not None:
            distributions.append(distribution)
        problems += complaints
        problems += _beyond_the_schema(file)
    problems += _shared_images(files)
    if not distributions and not problems:
        problems.append(
            Problem(folder.name, "", "has no distributions", f"add a folder with a {FILE}")
        )
    if problems:
        raise InvalidCatalog(problems)
    return Catalog(distributions, folder)


def _read(path: Path, shown: str) -> _File | Problem:
    try:
        return _File(path, shown, tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Problem(shown, "", "is missing", "write one, or remove the folder")
    except OSError as error:
        return Problem(shown, "", f"cannot be read ({error.strerror})", "make it readable")
    except UnicodeDecodeError:
        return Problem(shown, "", "is not UTF-8", "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        text, _, place = str(error).partition(" (at ")
        key = place.removesuffix(")") or "end"
        return Problem(shown, key, f"is not TOML ({text})", "see https://toml.io")


def _validate(slug: str, file: _File) -> tuple[Distribution | None, list[Problem]]:
    problems = []
    if "slug" in file.data:
        hint = "rename the folder: it is the slug"
        problems.append(Problem(file.shown, "slug", "is not a key", hint))
    try:
        distribution = Distribution.model_validate({**file.data, "slug": slug})
    except ValidationError as error:
        details = [one for one in error.errors() if one["loc"] != ("slug",)]  # told by the folder
        return None, problems + problems_of(file.shown, details)
    return distribution, problems


def _beyond_the_schema(file: _File) -> Iterator[Problem]:
    """Told even of a file in which the schema finds something else."""
    if file.table("image").get("build") is True and not file.path.with_name("Dockerfile").is_file():
        hint = "add a Dockerfile beside it, or set it to false"
        yield Problem(file.shown, "image.build", "is true without a Dockerfile", hint)
    default = {} if file.table("weaker").get("writable_root") else DEFAULT_TMPFS
    sizes = [_size(each) for each in {**default, **file.table("tmpfs")}.values()]
    tmpfs, memory = sum(sizes), _size(file.table("limits").get("memory", Limits().memory))
    if memory >= SMALLEST_MEMORY and tmpfs > memory:
        message = f"takes {tmpfs:,} bytes in all, limits.memory allows {memory:,}"
        yield Problem(file.shown, "tmpfs", message, "use less of it, or raise limits.memory")
    name = file.table("login").get("password_env")
    if isinstance(name, str) and name in file.table("environment"):
        message = f'is "{name}", which [environment] sets too'
        yield Problem(file.shown, "login.password_env", message, "use another name")


def _size(value: object) -> int:
    """0 where it is none: the schema says so."""
    try:
        return _SIZES.validate_python(value)
    except ValidationError:
        return 0


_SIZES: Final = TypeAdapter(ByteSize)


def _shared_images(files: Iterable[_File]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for file in files:
        ref, slug = file.table("image").get("ref"), file.path.parent.name
        if not isinstance(ref, str):
            continue
        owner = owners.setdefault(ref.strip(), slug)
        if owner != slug:
            message = f'is "{ref.strip()}", as {owner}\'s is'
            hint = "give each distribution an image of its own"
            yield Problem(file.shown, "image.ref", message, hint)
