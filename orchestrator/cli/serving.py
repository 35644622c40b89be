"""The service under uvicorn. It brings every part along; most commands need none."""

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from ..app import from_environment, sql_store
from ..settings import ROOT, load_settings
from ..store.base import Store
from ..store.database import require_usable
from .environment import current_folder
from .errors import ExitCode, Failure

FACTORY = "orchestrator.app:from_environment"

OPTIONS: dict[str, Any] = {
    "log_config": None,  # orchestrator.logs has configured it
    "access_log": False,  # web.requests writes these lines
    "proxy_headers": False,
    "server_header": False,
    "lifespan": "on",
    # Longer than Traefik keeps idle connections (90 s): it must be the one who closes them, or a
    # request that comes in that moment is answered with 502.
    "timeout_keep_alive": 120,  # seconds
    "timeout_graceful_shutdown": 8,  # seconds; the design allows ten in all
}


def run(*, reload: bool) -> None:
    """Returns when the service has ended. Raises InvalidSettings, InvalidCatalog, Failure.

    The service is built before uvicorn has it, so that what is wrong shows as a sentence.
    """
    current_folder()
    settings = load_settings()
    try:
        application = from_environment()
        require_usable(settings.database_url)
        asyncio.run(_prepare(sql_store(settings)))
    except (SQLAlchemyError, ModuleNotFoundError, OSError) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            reason = f"{error.filename}: {error.strerror.lower()}"
        raise Failure(
            f"DISTROS_DATABASE_URL: the store cannot be used: {reason}.".replace("..", "."),
            hint="It is such as sqlite+aiosqlite:///.state/distros.db, in a folder of yours.",
            code=ExitCode.USAGE,
        ) from error
    listener = _listen(settings.host, settings.port)
    if reload:
        listener.close()  # the reloader opens one that its children inherit
        uvicorn.run(
            FACTORY,
            factory=True,
            reload=True,
            reload_dirs=[str(ROOT / "orchestrator")],
            host=settings.host,
            port=settings.port,
            **OPTIONS,
        )
        return
    server = uvicorn.Server(uvicorn.Config(application, **OPTIONS))
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn's own codes are not ours
        server.run(sockets=[listener])
    if not server.started:
        raise Failure("the service has not started; its log says why.")


async def _prepare(store: Store) -> None:
    """What keeps the store from being used is told before uvicorn could show a traceback of it.

    Raises StoreUnavailable.
    """
    try:
        await store.prepare()
    finally:
        await store.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # asyncio sets it only where it has made the socket itself. Without it, an answer whose
        # head and body fit into one packet waits 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0].lower()
        raise Failure(
            f"cannot listen on {host}:{port}: {reason}.",
            hint="Set DISTROS_HOST and DISTROS_PORT to others, or end what listens there.",
            code=ExitCode.USAGE,
        ) from error
