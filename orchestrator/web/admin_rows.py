"""The table of live instances on the admin page: which of them, in which order, how many."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from ..domain.models import Instance

PAGE_SIZE: Final = 200  # rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty for all."""

    words: str = ""  # some of an id, a site's name, a visitor
    state: str = ""
    distribution: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        values = {name: query.get(name, "").strip()[:100] for name in cls.__slots__}
        return cls(**values | {"words": values["words"].lower()})

    def lets(self, instance: Instance) -> bool:
        texts = (instance.id, instance.name or "", instance.owner)
        return (
            self.state in ("", instance.state)
            and self.distribution in ("", instance.distribution)
            and any(self.words in text for text in texts)
        )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    number: int  # from 1
    pages: int
    total: int  # items on all pages


def newest_first(instances: Iterable[Instance], wanted: Filter) -> list[Instance]:
    chosen = [each for each in instances if wanted.lets(each)]
    return sorted(chosen, key=lambda each: (each.created_at, each.id), reverse=True)


def paged(items: Sequence[T], number: str, size: int = PAGE_SIZE) -> Page[T]:
    """The page of that number, or the nearest that there is."""
    pages = max(1, math.ceil(len(items) / size))
    wanted = int(number) if number.isdecimal() and len(number) < 7 else 1
    found = min(max(wanted, 1), pages)
    return Page(items[(found - 1) * size : found * size], found, pages, len(items))


def seconds_left(instance: Instance, now: datetime) -> float:
    return max((instance.expires_at - now).total_seconds(), 0.0)
