"""Images: whether one is there, and how it gets there, with progress."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..domain.engine_errors import EngineError
from ..domain.naming import LABEL_BUILT
from .base import ImageProgress
from .layers import Layers
from .sdk import Client, Conflict, ImageNotFound, NotFound, Sdk
from .stream import Line, stream

# A build step, such as an installation, may well say nothing for minutes.
_SILENCE: Final = 15 * 60.0  # seconds

# While bytes are missing. Longer than Docker's own retries at a registry that is gone (75 s), whose
# error says more; once all is here it is unpacked, and a slow disk may be silent for long.
STALL: Final = 120.0  # seconds

_LINES_TOLD: Final = 20  # of a failed build's output

_MISSING_HINT: Final = "Check its name and tag, and whether its registry asks for a login."
_FAILED_HINT: Final = "Check that this machine reaches its registry, then try again."


async def image_config(sdk: Sdk, ref: str) -> dict[str, Any]:
    """Asked anew each time: an image may have been built again. Raises sdk.ImageNotFound."""
    image = await sdk.call(lambda client: _inspect(client, ref))
    return image.get("Config") or {}


async def image_id(sdk: Sdk, ref: str) -> str | None:
    try:
        image = await sdk.call(lambda client: _inspect(client, ref))
    except ImageNotFound:
        return None
    return str(image["Id"])


def _inspect(client: Client, ref: str) -> dict[str, Any]:
    return client.inspect_image(ref)  # type: ignore[no-untyped-call,no-any-return]


async def prune(sdk: Sdk, age: float) -> int:
    """Those that are `age` seconds old. Never by force: what a container uses, or another image is
    made of, the engine keeps."""
    filters = {"dangling": True, "label": LABEL_BUILT}
    found = await sdk.call(lambda client: client.images(filters=filters))
    before = time.time() - age
    removed = 0
    for image in found:
        if image["Created"] > before:
            continue
        with contextlib.suppress(Conflict, NotFound):
            await sdk.call(partial(_remove, image_id=image["Id"]))
            removed += 1
    return removed


def _remove(client: Client, image_id: str) -> None:
    client.remove_image(image_id)


async def pull(sdk: Sdk, ref: str) -> AsyncGenerator[ImageProgress, None]:
    """Raises EngineError with the registry's or Docker's own words, or where nothing arrives for
    STALL seconds. When it is closed, Docker lets go of its transfers with the next bytes."""

    def request(client: Client) -> Iterable[Line]:
        return client.pull(ref, stream=True, decode=True)  # type: ignore[no-any-return]

    layers = Layers()
    told = time.monotonic()
    try:
        async with aclosing(stream(sdk, request, silence=_SILENCE)) as lines:
            while True:
                line = await _next(lines, told, STALL if layers.missing else _SILENCE)
                if line is None:
                    break
                if error := line.get("error"):
                    raise EngineError(error)
                if not line.get("status", "").startswith("Retrying in"):  # no news, each second
                    told = time.monotonic()
                yield layers.after(line)
    except EngineError as error:
        hint = _MISSING_HINT if isinstance(error, NotFound) else _FAILED_HINT
        raise EngineError(f"{ref} could not be pulled: {error.message}", hint=hint) from error


async def _next(lines: AsyncGenerator[Line, None], told: float, patience: float) -> Line | None:
    """The next line, or None at the end. Docker itself goes on waiting for a registry that
    holds the line. Raises EngineError `patience` seconds after the last news."""
    try:
        async with asyncio.timeout(told + patience - time.monotonic()):
            return await anext(lines, None)
    except TimeoutError as error:
        raise EngineError(f"nothing has arrived for {patience:g} s.") from error


async def build(sdk: Sdk, folder: Path, ref: str) -> AsyncGenerator[ImageProgress, None]:
    """Builds `folder`'s Dockerfile with the engine's own builder, which needs no client plugin.

    Raises EngineError with the end of the output.
    """
    if not (folder / "Dockerfile").is_file():
        raise EngineError(f"There is no Dockerfile in {folder}.", hint="Write one, or pull.")

    def request(client: Client) -> Iterable[Line]:
        # forcerm: a failed build leaves no container behind either.
        return client.build(
            path=str(folder),
            tag=ref,
            labels={LABEL_BUILT: "distros"},
            rm=True,
            forcerm=True,
            decode=True,
        )

    last: deque[str] = deque(maxlen=_LINES_TOLD)
    async with aclosing(stream(sdk, request, silence=_SILENCE)) as lines:
        async for line in lines:
            if error := line.get("error"):
                raise EngineError("\n".join([f"{ref} could not be built: {error}", *last]))
            text = _text(line)
            if text:
                last.append(text)
                yield ImageProgress(text)


def _text(line: Line) -> str:
    if status := line.get("status"):
        layer = line.get("id")
        return f"{layer}: {status}" if layer else str(status)
    return str(line.get("stream", "")).strip()
