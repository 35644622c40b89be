"""Static files, under an address that changes with their content: browsers keep them for a year.

All of them share one version, so that modules and stylesheets may refer to each other by relative
addresses.
"""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOR_EVER = "public, max-age=31536000, immutable"
POLICY = "default-src 'none'; script-src 'self'; frame-ancestors 'none'"  # a worker obeys its own


class Assets:
    def __init__(self, folder: Path) -> None:
        self.version = fingerprint(folder)
        self._files = StaticFiles(directory=folder)

    def url(self, path: str) -> str:
        return f"/static/{self.version}/{path}"

    async def serve(self, request: Request) -> Response:
        """An old version's address gets today's file, to be asked for again each time."""
        path, version = request.path_params["path"], request.path_params["version"]
        response = await self._files.get_response(path, request.scope)
        response.headers["Cache-Control"] = FOR_EVER if version == self.version else "no-cache"
        response.headers["Content-Security-Policy"] = POLICY
        return response


def fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
