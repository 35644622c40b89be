"""The database as a file: down, and up again. For admins."""

from collections.abc import Mapping
from datetime import UTC, datetime
from os import fstat
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .schemas import RestoredDocument
from .services import services

MEDIA_TYPE: Final = "application/vnd.sqlite3"
_CHUNK: Final = 256 * 1024  # bytes


async def get_backup(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    file = await svc.backups.make()
    name = f"distros-{datetime.now(UTC):%Y%m%d-%H%M%S}.db"
    return _Copy(
        file,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(fstat(file.fileno()).st_size),
        },
    )


async def restore_backup(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    restored = await svc.backups.restore(request.stream())
    document = RestoredDocument(
        instances=restored.instances,
        carried_over=restored.carried_over,
        owners_back=restored.owners_back,
    )
    return JSONResponse(document.model_dump(), headers={"Cache-Control": "no-store"})


class _Copy(StreamingResponse):
    """Closes its file whatever comes, also where the visitor leaves before the first byte."""

    def __init__(self, file: BinaryIO, *, headers: Mapping[str, str]) -> None:
        self._file = file
        pieces = iter(lambda: file.read(_CHUNK), b"")
        super().__init__(pieces, media_type=MEDIA_TYPE, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)
