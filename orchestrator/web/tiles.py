"""The catalogue's cards as HTML: one is rendered anew only when what it shows has changed.

They are nearly all of the front page; with forty of them it would take twice the time.
"""

from jinja2 import Environment
from markupsafe import Markup

from .cards import Card


class Tiles:
    """One language's."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._made: dict[str, tuple[object, Markup]] = {}  # slug → what it shows, and its HTML

    def __call__(self, card: Card, lazy: bool) -> Markup:
        """`lazy`: its picture is loaded once it comes into view."""
        shown = (*card.shown, lazy)
        kept = self._made.get(card.distribution.slug)
        if kept is not None and kept[0] == shown:
            return kept[1]
        template = self._environment.get_template("tile.html")
        made = Markup(template.render(card=card, lazy=lazy))  # noqa: S704  # a template's output
        self._made[card.distribution.slug] = shown, made
        return made
