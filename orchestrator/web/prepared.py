"""A page that is made ready beforehand: what is the same for everybody is rendered and compressed
once, and each answer only puts into it what is one visitor's own.

It is kept while nothing changes that it shows. What changes by itself, such as “5 minutes ago”, is
a second old at most.
"""

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup, escape

from ..domain.models import Instance
from . import compression
from .compression import Part

FRESH: Final = timedelta(seconds=1)

Values = dict[str, Callable[[], str]]  # slot → what comes there: HTML, or text


class Slots:
    """What stands in the place of a visitor's own while the rest is rendered; nobody else can write
    one, for they are drawn by lot."""

    def __init__(self, *names: str) -> None:
        self._marks = {f"slot-{secrets.token_hex(12)}": name for name in names}
        self._any = re.compile(f"({'|'.join(self._marks)})")
        self.marks = {name: Markup(mark) for mark, name in self._marks.items()}  # noqa: S704

    def split(self, html: str) -> list[str]:
        """Text, name of a slot, text and so on; it ends with a text."""
        return [self._marks.get(each, each) for each in self._any.split(html)]


class Prepared:
    def __init__(self, pieces: list[str]) -> None:
        self._common = [compression.compressed(each.encode()) for each in pieces[::2]]
        self._slots = pieces[1::2]

    def filled(self, values: Values) -> tuple[Part, ...]:
        own = (compression.stored(escape(values[slot]()).encode()) for slot in self._slots)
        first, *rest = self._common
        return (first, *(part for pair in zip(own, rest, strict=True) for part in pair))


class Shelf:
    """Prepared pages by name, each with what it shows and when it was made; no instance's change is
    missed."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, datetime, Prepared]] = {}

    def forget(self, _: Instance) -> None:
        """An instance has changed, and with it what is warm, and how long a start takes."""
        self._kept.clear()

    def get(
        self, name: str, shows: object, now: datetime, make: Callable[[], Prepared]
    ) -> Prepared:
        kept = self._kept.get(name)
        if kept is None or kept[0] != shows or abs(now - kept[1]) >= FRESH:
            kept = self._kept[name] = shows, now, make()
        return kept[2]
