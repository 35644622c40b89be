"""What people read, in their language: one file of texts for each, in `frontend/texts/`.

A text is found by its key (`landing.title`) and filled with named values. What is counted has two
forms, `one` and `other`. English is complete; where another language lacks a text, it is English.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape
from starlette.requests import HTTPConnection

DEFAULT: Final = "en"
COOKIE: Final = "distros_language"


class Texts:
    """One language's."""

    def __init__(self, language: str, entries: Mapping[str, str]) -> None:
        self.language = language
        self.entries = entries
        self._escaped = {key: escape(text) for key, text in entries.items()}

    def __call__(self, key: str, /, **values: object) -> Markup:
        """For a page: the values are escaped, unless they are markup themselves."""
        text = self._escaped[key]
        return text.format(**values) if values else text

    def count(self, key: str, number: int, /, **values: object) -> Markup:
        """“1 site”, “2 sites”; `{n}` is the number."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", n=number, **values)

    def raw(self, key: str) -> str:
        """As it stands, for a module of the page that fills it."""
        return self.entries[key]

    def plain(self, key: str, /, **values: object) -> str:
        """For what is not HTML."""
        return self.entries[key].format(**values)

    def has(self, key: str) -> bool:
        return key in self.entries


def load_texts(folder: Path) -> dict[str, Texts]:
    """Language → texts."""
    read = {
        path.stem: dict(_flat(tomllib.loads(path.read_text()))) for path in folder.glob("*.toml")
    }
    return {language: Texts(language, read[DEFAULT] | own) for language, own in read.items()}


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def language_of(connection: HTTPConnection, known: Mapping[str, Texts]) -> str:
    """What the visitor has chosen here, else what the browser likes best of what there is."""
    chosen = connection.cookies.get(COOKIE, "")
    if chosen in known:
        return chosen
    wanted = sorted(_accepted(connection.headers.get("accept-language", "")), reverse=True)
    return next((language for _, _, language in wanted if language in known), DEFAULT)


def _accepted(header: str) -> Iterator[tuple[float, int, str]]:
    """Weight, place (the earlier the higher) and language, such as "de" of `de-AT;q=0.8`."""
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, parameter = part.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > 0:
            yield weight, -place, tag.strip().lower().partition("-")[0]
