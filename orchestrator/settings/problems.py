"""What is wrong with a setting: pydantic's complaints as sentences, with the variable's name."""

from typing import Any, Final, get_args

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

_RIGHT: Final = {
    "bool_parsing": "must be true or false",
    "byte_size": "must be a size, such as {example}",
    "byte_size_unit": "must be a size, such as {example}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "int_parsing": "must be a whole number, such as {example}",
    "ip_v4_network": "must be a network, such as {example}",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be one of {expected}",
}


def variable(field: str) -> str:
    return f"DISTROS_{field}".upper()


def complaints(model: type[BaseSettings], error: ValidationError) -> list[str]:
    return [_complaint(model, detail) for detail in error.errors()]


def _complaint(model: type[BaseSettings], detail: ErrorDetails) -> str:
    name = str(detail["loc"][0])
    field = model.model_fields[name]
    kind = "url" if detail["type"].startswith("url_") else detail["type"]
    example = (field.examples or [field.default])[0]
    if kind == "url":
        right = f"must be a full address, such as {str(example).rstrip('/')}"
    elif kind in _RIGHT:
        context: dict[str, Any] = {"example": example, **detail.get("ctx", {})}
        right = _RIGHT[kind].format(**context)
    else:
        right = detail["msg"].removeprefix("Value error, ")
    secret = SecretStr in (field.annotation, *get_args(field.annotation))
    shown = "" if secret else f" (it is {str(detail['input'])!r})"
    return f"{variable(name)}: {right}{shown}"
