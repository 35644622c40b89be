"""Request bodies: bounded, then understood, or refused with what would be right."""

import asyncio
import json
from collections.abc import Iterable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from ..domain.errors import (
    InvalidRequest,
    MalformedRequest,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
)

# Pydantic's errors by type; its own words speak of Python.
SENTENCES: Final = {
    "extra_forbidden": "is not known",
    "missing": "is missing",
    "model_type": "must be an object",
    "string_type": "must be text",
    "int_type": "must be a whole number, such as 60",
}

M = TypeVar("M", bound=BaseModel)

LIMIT = 16 * 1024  # bytes; a launch needs a few hundred
DEADLINE = 10.0  # seconds, for all of a body


async def read_json(request: Request, model: type[M]) -> M:
    """Raises UnsupportedMediaType, RequestTooLarge, RequestTimeout, MalformedRequest,
    InvalidRequest."""
    _require_media_type(request, "application/json")
    body = await _read(request)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(
            f"The body is not JSON: {error}.", hint='Send {"distribution": "dokuwiki"}.'
        ) from error
    return understood(value, model)


def understood(value: object, model: type[M]) -> M:
    """Raises InvalidRequest."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidRequest(
            " ".join(_sentences(error)),
            hint=f"Possible are: {', '.join(model.model_fields)}.",
        ) from error


async def read_form(request: Request) -> dict[str, str]:
    """An urlencoded form's fields.

    Raises UnsupportedMediaType, RequestTooLarge, RequestTimeout, MalformedRequest.
    """
    _require_media_type(request, "application/x-www-form-urlencoded")
    body = await _read(request)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise MalformedRequest("The form cannot be read.", hint="Reload the page.") from error


def _require_media_type(request: Request, wanted: str) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != wanted:
        raise UnsupportedMediaType(
            f"The body is sent as “{sent or 'nothing'}”.", hint=f"Send it as {wanted}."
        )


async def _read(request: Request) -> bytes:
    """What announces itself as too large is not read at all."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > LIMIT:
        raise _too_large()
    body = b""
    try:
        async with asyncio.timeout(DEADLINE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LIMIT:
                    raise _too_large()
    except TimeoutError as error:
        raise RequestTimeout(
            "The body did not come in time.", hint=f"Send all of it within {DEADLINE:g} seconds."
        ) from error
    except ClientDisconnect as error:
        raise MalformedRequest("The body broke off.", hint="Send it again.") from error
    return body


def _too_large() -> RequestTooLarge:
    return RequestTooLarge("The body is too large.", hint=f"Send at most {LIMIT // 1024} KiB.")


def _sentences(error: ValidationError) -> Iterable[str]:
    for detail in error.errors():
        where = ".".join(map(str, detail["loc"])) or "The body"
        yield f"{where}: {_plain(detail)}."


def _plain(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    return SENTENCES.get(detail["type"], message[0].lower() + message[1:])
