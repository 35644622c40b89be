"""The table of live instances on the admin page: which of them, in which order, how many."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from ..domain.models import Instance, State
from ..service.meter import Reading

PAGE_SIZE: Final = 200  # rows

T = TypeVar("T")
Readings = Mapping[str, Reading]


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

    @property
    def query(self) -> dict[str, str]:
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    def lets(self, instance: Instance) -> bool:
        texts = (instance.id, instance.name or "", instance.owner)
        return (
            self.state in ("", instance.state)
            and self.distribution in ("", instance.distribution)
            and any(self.words in text for text in texts)
        )


@dataclass(frozen=True, slots=True)
class Column:
    key: str  # of its text, and in the address
    value: Callable[[Instance, Reading | None], Any]  # by which it is sorted; None comes last
    falling_first: bool = False  # what one wants to see of it are the highest


_STATES: Final = list(State)

COLUMNS: Final = (
    Column("site", lambda each, _: (each.name or each.id, each.id)),
    Column("state", lambda each, _: _STATES.index(each.state)),
    Column("distribution", lambda each, _: each.distribution),
    Column("age", lambda each, _: -each.created_at.timestamp()),
    Column("left", lambda each, _: None if _is_over(each) else each.expires_at),
    Column("cpu", lambda _, used: used.cpu if used else None, falling_first=True),
    Column("memory", lambda _, used: used.memory if used else None, falling_first=True),
    Column("visitor", lambda each, _: each.owner),
)
BY_KEY: Final = {column.key: column for column in COLUMNS}
NEWEST: Final = "age"


def _is_over(instance: Instance) -> bool:
    return instance.state in (State.QUEUED, State.STOPPING) or instance.state.ended


@dataclass(frozen=True, slots=True)
class Order:
    by: str = NEWEST
    falling: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Order":
        column = BY_KEY.get(query.get("sort", ""))
        if column is None:
            return cls()
        asked = query.get("order", "")
        falling = column.falling_first if asked not in ("up", "down") else asked == "down"
        return cls(column.key, falling)

    @property
    def query(self) -> dict[str, str]:
        return {} if self == Order() else {"sort": self.by, "order": _word(self.falling)}

    def applied(self, instances: Iterable[Instance], readings: Readings) -> list[Instance]:
        """What has no value there comes last, and equals come newest first."""
        value = BY_KEY[self.by].value
        newest = sorted(instances, key=lambda each: (each.created_at, each.id), reverse=True)
        values = {each.id: value(each, readings.get(each.id)) for each in newest}
        known = [each for each in newest if values[each.id] is not None]
        known.sort(key=lambda each: values[each.id], reverse=self.falling)
        return known + [each for each in newest if values[each.id] is None]


def _word(falling: bool) -> str:
    return "down" if falling else "up"


@dataclass(frozen=True, slots=True)
class Heading:
    key: str
    url: str | None = None  # where it is sorted by this, or the other way round
    sorted: str | None = None  # "ascending", "descending"; None where it is not


def headings(wanted: Filter, order: Order) -> list[Heading]:
    return [_heading(column, wanted, order) for column in COLUMNS]


def _heading(column: Column, wanted: Filter, order: Order) -> Heading:
    here = column.key == order.by
    falling = not order.falling if here else column.falling_first
    query = wanted.query | {"sort": column.key, "order": _word(falling)}
    state = ("descending" if order.falling else "ascending") if here else None
    return Heading(column.key, f"?{urlencode(query)}", state)


PLAIN: Final = [Heading(column.key) for column in COLUMNS]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    number: int  # from 1
    pages: int
    total: int  # items on all pages


def newest_first(instances: Iterable[Instance], wanted: Filter) -> list[Instance]:
    return Order().applied(filter(wanted.lets, instances), {})


def paged(items: Sequence[T], number: str, size: int = PAGE_SIZE) -> Page[T]:
    """The page of that number, or the nearest that there is."""
    pages = max(1, math.ceil(len(items) / size))
    wanted = int(number) if number.isdecimal() and len(number) < 7 else 1
    found = min(max(wanted, 1), pages)
    return Page(items[(found - 1) * size : found * size], found, pages, len(items))


def seconds_left(instance: Instance, now: datetime) -> float:
    return max((instance.expires_at - now).total_seconds(), 0.0)
