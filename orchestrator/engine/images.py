"""Images: whether one is there, and how it gets there, with progress."""

from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from ..domain.errors import EngineError
from .base import ImageProgress
from .sdk import Client, ImageNotFound, Sdk
from .stream import Line, stream

# A build step, such as an installation, may well say nothing for minutes.
_SILENCE: Final = 15 * 60.0  # seconds

_LINES_TOLD: Final = 20  # of a failed build's output


async def image_labels(sdk: Sdk, ref: str) -> dict[str, str]:
    """Asked anew each time: an image may have been built again. Raises sdk.ImageNotFound."""
    image = await sdk.call(lambda client: _inspect(client, ref))
    return (image.get("Config") or {}).get("Labels") or {}


async def image_id(sdk: Sdk, ref: str) -> str | None:
    try:
        image = await sdk.call(lambda client: _inspect(client, ref))
    except ImageNotFound:
        return None
    return str(image["Id"])


def _inspect(client: Client, ref: str) -> dict[str, Any]:
    return client.inspect_image(ref)  # type: ignore[no-untyped-call,no-any-return]


async def pull(sdk: Sdk, ref: str) -> AsyncGenerator[ImageProgress, None]:
    """Raises EngineError with the registry's or Docker's own words."""

    def request(client: Client) -> Iterable[Line]:
        return client.pull(ref, stream=True, decode=True)  # type: ignore[no-any-return]

    layers = Layers()
    async with aclosing(stream(sdk, request, silence=_SILENCE)) as lines:
        async for line in lines:
            if error := line.get("error"):
                raise EngineError(f"{ref} could not be pulled: {error}")
            yield layers.after(line)


class Layers:
    """A pull's bytes, summed over its layers: those known so far, so the total may still grow."""

    def __init__(self) -> None:
        self._bytes: dict[str, tuple[int, int]] = {}  # layer → current, total

    def after(self, line: Line) -> ImageProgress:
        status, layer = line.get("status", ""), line.get("id")
        detail = line.get("progressDetail") or {}
        if status == "Downloading" and layer and detail.get("total"):
            self._bytes[layer] = (detail.get("current", 0), detail["total"])
        elif status in ("Download complete", "Pull complete") and layer in self._bytes:
            total = self._bytes[layer][1]
            self._bytes[layer] = (total, total)
        text = f"{layer}: {status}" if layer else status
        if not self._bytes:
            return ImageProgress(text)
        currents, totals = zip(*self._bytes.values(), strict=True)
        return ImageProgress(text, current=sum(currents), total=sum(totals))


async def build(sdk: Sdk, folder: Path, ref: str) -> AsyncGenerator[ImageProgress, None]:
    """Builds `folder`'s Dockerfile with the engine's own builder, which needs no client plugin.

    Raises EngineError with the end of the output.
    """
    if not (folder / "Dockerfile").is_file():
        raise EngineError(f"There is no Dockerfile in {folder}.", hint="Write one, or pull.")

    def request(client: Client) -> Iterable[Line]:
        # forcerm: a failed build leaves no container behind either.
        return client.build(path=str(folder), tag=ref, rm=True, forcerm=True, decode=True)

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
