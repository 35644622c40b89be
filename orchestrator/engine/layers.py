"""A pull's progress in bytes, from what Docker says of each layer. Pure.

What Docker (20.10 to 28) says, and how it is taken:

- Every layer is announced before the first byte, but its size is told only with its own first
  bytes, and three layers are fetched at a time. A sum of the sizes known so far would grow, and
  its percentage go back: so there is no total before every layer has a size or is complete.
- Lines get lost when they come fast: a small layer is often complete without any "Downloading".
  Its size is learnt when it is unpacked, and counts from then on.
- A layer that is here already is never fetched, and counts nothing.
- A download that failed may begin anew; its bytes do not go back.
"""

from dataclasses import dataclass
from typing import Any, Final

from .base import ImageProgress

_TO_COME: Final = {"Pulling fs layer", "Waiting"}
_COMPLETE: Final = {
    "Already exists",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pull complete",
}


@dataclass(slots=True)
class _Layer:
    current: int = 0
    size: int | None = None  # bytes; 0 where it is complete and was never told


class Layers:
    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self.missing = True  # bytes are, or nobody knows

    def after(self, line: dict[str, Any]) -> ImageProgress:
        """With this line of `POST /images/create`."""
        status, layer = line.get("status", ""), line.get("id")
        if layer:
            self._note(layer, status, line.get("progressDetail") or {})
        progress = self._sum(f"{layer}: {status}" if layer else status)
        self.missing = not progress.arrived
        return progress

    def _note(self, name: str, status: str, detail: dict[str, Any]) -> None:
        if status == "Downloading":
            layer = self._layers.setdefault(name, _Layer())
            layer.current = max(layer.current, detail.get("current", 0))
            layer.size = detail.get("total") or layer.size
        elif status in _COMPLETE:
            layer = self._layers.setdefault(name, _Layer())
            # While it is unpacked the same bytes are counted again, or, by containerd, seconds.
            told = 0 if "units" in detail else detail.get("total", 0)
            layer.size = layer.current = layer.size or told or layer.current
        elif status in _TO_COME:
            self._layers.setdefault(name, _Layer())

    def _sum(self, text: str) -> ImageProgress:
        current = sum(layer.current for layer in self._layers.values())
        sizes = [layer.size for layer in self._layers.values() if layer.size is not None]
        known = len(sizes) == len(self._layers)
        if not any(sizes) and not current:
            return ImageProgress(text)
        return ImageProgress(text, current, sum(sizes) if known else None)
