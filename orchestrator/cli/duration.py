"""Lengths of time, as options take them."""

from datetime import timedelta

import typer

from ..domain.fields import seconds_of


def duration(text: str) -> timedelta:
    try:
        value = seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"“{text}” {error}.") from error
    assert isinstance(value, timedelta)
    return value
