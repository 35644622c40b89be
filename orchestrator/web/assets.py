"""Static files, under an address that changes with their content: browsers keep them for a year.

All of them share one version, so that modules and stylesheets may refer to each other by relative
addresses. Stylesheets that a page needs at once come as one: `css/tokens+base.css` is
`css/tokens.css` and then `css/base.css`.

They are kept in memory, compressed where that makes them smaller; one that has changed since is
read anew.
"""

import functools
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from . import compression

FOR_EVER: Final = "public, max-age=31536000, immutable"
POLICY: Final = "default-src 'none'; script-src 'self'; frame-ancestors 'none'"  # of a worker
AND: Final = "+"
KEPT: Final = 128  # files, and what was joined of them

Stamps = tuple[tuple[Path, int], ...]  # files, and when each was changed (nanoseconds)


@dataclass(frozen=True, slots=True)
class Asset:
    plain: bytes
    packed: bytes | None  # None where that would not be smaller
    media_type: str
    etag: str

    @classmethod
    def of(cls, plain: bytes, name: str) -> "Asset":
        packed = compression.whole(plain)
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        etag = hashlib.sha256(plain).hexdigest()[:32]
        return cls(plain, packed if len(packed) < len(plain) else None, media_type, etag)

    def answer(self, request: Request) -> Response:
        """Each encoding has an ETag of its own."""
        packed = self.packed if compression.accepts_gzip(request) else None
        headers = dict(compression.VARIES) if self.packed else {}
        headers["ETag"] = f'"{self.etag}-gzip"' if packed else f'"{self.etag}"'
        if {headers["ETag"], "*"} & _known(request):
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(packed or self.plain, headers=headers, media_type=self.media_type)


class Assets:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.version = fingerprint(folder)
        self._files = {str(path.relative_to(folder)): path for path in _files(folder)}
        self._read = functools.lru_cache(maxsize=KEPT)(_read)

    def url(self, path: str) -> str:
        return f"/static/{self.version}/{path}"

    def serve(self, request: Request) -> Response:
        """An old version's address gets today's file, to be asked for again each time."""
        path, version = request.path_params["path"], request.path_params["version"]
        try:
            stamps = tuple((file, file.stat().st_mtime_ns) for file in self._named(path))
            asset = self._read(stamps)
        except FileNotFoundError:
            raise HTTPException(404) from None
        response = asset.answer(request)
        response.headers["Cache-Control"] = FOR_EVER if version == self.version else "no-cache"
        response.headers["Content-Security-Policy"] = POLICY
        return response

    def _named(self, path: str) -> list[Path]:
        """Raises FileNotFoundError."""
        folder, slash, name = path.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        joined = stem.split(AND) if suffix == "css" else [stem]
        paths = [f"{folder}{slash}{each}{dot}{suffix}" for each in joined]
        if len(paths) > len(set(paths)) or not self._files.keys() >= set(paths):
            raise FileNotFoundError(path)
        return [self._files[each] for each in paths]


def fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in _files(folder):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _read(stamps: Stamps) -> Asset:
    files = [file for file, _ in stamps]
    return Asset.of(b"".join(file.read_bytes() for file in files), files[0].name)


def _known(request: Request) -> set[str]:
    """What the browser has, by its ETags."""
    sent = request.headers.get("if-none-match", "")
    return {each.strip().removeprefix("W/") for each in sent.split(",")}
