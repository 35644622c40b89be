"""The service under uvicorn. It brings every part along; most commands need none.

How it leaves, when it is told to (SIGTERM or SIGINT; a second one changes nothing), in ten seconds
at most and with exit code 0:

1. It listens no more. Event streams end, and who waits for a launch is told how it stands now.
2. Requests under way have `FOR_REQUESTS` seconds to end; then they are broken off.
3. The loops are cancelled, and what was being written to the store is completed. Launches and
   removals go on in the next process.
4. Threads that an engine keeps waiting are left behind. Should anything else hang, the process
   ends all the same after `FOR_ALL` seconds, with code 1.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
from types import FrameType
from typing import Any

import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from ..app import from_environment, sql_store
from ..settings import ROOT, load_settings
from ..store.base import Store
from ..store.database import require_usable
from ..web.handshakes import HandshakeProtocol
from .environment import current_folder
from .errors import ExitCode, Failure

FACTORY = "orchestrator.app:from_environment"
FOR_REQUESTS = 4  # seconds
FOR_ALL = 9.5  # seconds; Compose kills after 15

log = structlog.get_logger(__name__)

OPTIONS: dict[str, Any] = {
    "log_config": None,  # orchestrator.logs has configured it
    "access_log": False,  # web.requests writes these lines
    "proxy_headers": False,
    "server_header": False,
    "lifespan": "on",
    # Longer than Traefik keeps idle connections (90 s): it must be the one who closes them, or a
    # request that comes in that moment is answered with 502.
    "timeout_keep_alive": 120,  # seconds
    "timeout_graceful_shutdown": FOR_REQUESTS,
    # Terminals. It presses back, and asks every 20 s whether the other end is still there.
    "ws": HandshakeProtocol,
    "ws_max_size": 64 * 1024,  # bytes of a message
    "ws_per_message_deflate": False,
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
    server = Server(application)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn's own codes are not ours
        server.run(sockets=[listener])
    if not server.started:
        raise Failure("the service has not started; its log says why.")
    if any(not thread.daemon for thread in threading.enumerate()[1:]):
        _leave(0)  # the interpreter would wait for them


class Server(uvicorn.Server):
    def __init__(self, application: Starlette) -> None:
        super().__init__(uvicorn.Config(application, **OPTIONS))
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike uvicorn's, it does not raise the signal again at the end: that is no exit 0."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        last_resort = threading.Timer(FOR_ALL, _give_up)
        last_resort.daemon = True
        last_resort.start()
        self._application.state.services.stopping.begin()
        await super().shutdown(sockets)


def _give_up() -> None:
    log.error("leaving by force: something hangs")
    _leave(1)


def _leave(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


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
