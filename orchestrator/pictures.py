"""The distributions' screenshots, as `distros catalog screenshots` puts them into their folders.

Read once, when the service starts. Their addresses change with their content, so that browsers keep
them for a year.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .catalog import Catalog

NAMES: Final = {"screenshot.webp": "image/webp", "screenshot.png": "image/png"}
WIDTH: Final = 800  # pixels, and the height that goes with the viewport
HEIGHT: Final = 500
LARGEST: Final = 60_000  # bytes; a larger one is left out: pages must stay light


@dataclass(frozen=True, slots=True)
class Picture:
    body: bytes
    media_type: str
    version: str

    def url(self, slug: str) -> str:
        return f"/d/{slug}/screenshot/{self.version}"


def read_picture(folder: Path) -> Picture | None:
    for name, media_type in NAMES.items():
        path = folder / name
        if path.is_file() and path.stat().st_size <= LARGEST:
            body = path.read_bytes()
            return Picture(body, media_type, hashlib.sha256(body).hexdigest()[:12])
    return None


def read_pictures(catalog: Catalog) -> dict[str, Picture]:
    """By slug; without those that have none."""
    found = ((each.slug, read_picture(catalog.folder(each.slug))) for each in catalog)
    return {slug: picture for slug, picture in found if picture is not None}
