"""The keys of distribution.toml, from the models that read it."""

from collections.abc import Iterator
from datetime import timedelta
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ByteSize, HttpUrl
from pydantic.fields import FieldInfo

from orchestrator.domain.distribution import Distribution

from .markdown import code, default_of, table

KINDS: Final[dict[Any, str]] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    timedelta: 'duration, such as `"60s"`, `"40m"`, `"2h"`, `"1d"`',
    ByteSize: 'size, such as `"256MiB"`',
    HttpUrl: "address",
}


def section() -> Iterator[str]:
    yield from _keys("At the top", Distribution)
    for name, field in Distribution.model_fields.items():
        if model := _model(field):
            yield from _keys(f"`[{name}]`", model)


def _keys(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield from (f"### {title}", "")
    if model.__doc__:
        yield from (" ".join(model.__doc__.split()), "")
    yield from table(
        ("Key", "Value", "Default", "What it is"),
        (
            (code(name), _kind(field.annotation), _default(field), field.description or "")
            for name, field in model.model_fields.items()
            if name != "slug" and _model(field) is None
        ),
    )


def _model(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _kind(annotation: Any) -> str:
    arguments = [one for one in get_args(annotation) if one not in (NoneType, Ellipsis)]
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f'`"{value}"`' for value in arguments)
    if origin is tuple:
        return f"list: {_kind(arguments[0])}"
    if origin is dict:
        return f"table: {_kind(arguments[1])}"
    if annotation in KINDS:
        return KINDS[annotation]
    return _kind(arguments[0])  # optional, or annotated


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else code(default_of(field))
