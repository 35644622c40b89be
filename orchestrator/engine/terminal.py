"""A shell in an instance's container: an exec with a terminal of its own.

It runs as the container's user, with no more rights than the container has. Docker ends nothing
when a terminal's connection closes: each cut would leave a shell behind, until the container has no
room for processes. Therefore what a terminal starts carries a mark in its environment, and to close
it is to hang up on all that has the mark: SIGHUP, as of a telephone line in former days. What was
started with `nohup` goes on, as it would elsewhere.
"""

import asyncio
import secrets
from typing import Any, Final

import structlog

from ..domain.engine_errors import EngineError
from ..domain.outages import EngineUnavailable
from .base import TerminalSize
from .connection import Connection
from .execs import Execs

log = structlog.get_logger(__name__)

TERM: Final = "TERM=xterm-256color"
MARK: Final = "DISTROS_TERMINAL="
HANG_UP_DEADLINE: Final = 3.0  # seconds
# Docker's own keys to leave a terminal begin with Ctrl-P, which every shell needs: it would be held
# back until the next key. Nobody types these.
DETACH_KEYS: Final = "ctrl-@,ctrl-_,ctrl-^,ctrl-_,ctrl-@"
# Stopped processes get the signal once they go on.
HANG_UP: Final = f"""\
for process in /proc/[0-9]*; do
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *"{MARK}$1"*)
      kill -HUP "${{process#/proc/}}"
      kill -CONT "${{process#/proc/}}"
      break ;;
    esac
  done <"$process/environ"
done 2>/dev/null
"""


def exec_document(command: tuple[str, ...], mark: str) -> dict[str, Any]:
    """What `POST /containers/{id}/exec` gets, to open a terminal."""
    return {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": True,
        "DetachKeys": DETACH_KEYS,
        "Env": [TERM, MARK + mark],
        "Cmd": list(command),
    }


def hang_up_document(mark: str) -> dict[str, Any]:
    """The same, to end what has this mark."""
    return {"Cmd": ["/bin/sh", "-c", HANG_UP, "hang-up", mark]}


class DockerTerminal:
    def __init__(
        self, execs: Execs, container_id: str, exec_id: str, mark: str, connection: Connection
    ) -> None:
        self._execs = execs
        self._container_id = container_id
        self._exec_id = exec_id
        self._mark = mark
        self._connection = connection

    @classmethod
    async def open(
        cls, execs: Execs, container_id: str, command: tuple[str, ...]
    ) -> "DockerTerminal":
        """Raises NotFound, Conflict."""
        mark = secrets.token_hex(16)
        exec_id = await execs.create(container_id, exec_document(command, mark))
        try:
            connection = await execs.start(exec_id)
        except BaseException:  # it may have started all the same
            await _hang_up(execs, container_id, mark)
            raise
        return cls(execs, container_id, exec_id, mark, connection)

    async def read(self) -> bytes:
        return await self._connection.read()

    async def write(self, typed: bytes) -> None:
        await self._connection.write(typed)

    async def resize(self, size: TerminalSize) -> None:
        await self._execs.resize(self._exec_id, size.rows, size.columns)

    async def exit_code(self) -> int | None:
        try:
            return await self._execs.exit_code(self._exec_id)
        except EngineError:  # it is gone with its container
            return None

    async def close(self) -> None:
        await self._connection.close()
        await _hang_up(self._execs, self._container_id, self._mark)


async def _hang_up(execs: Execs, container_id: str, mark: str) -> None:
    try:
        async with asyncio.timeout(HANG_UP_DEADLINE):
            exec_id = await execs.create(container_id, hang_up_document(mark))
            await execs.start_detached(exec_id)
    except (EngineError, EngineUnavailable, TimeoutError) as error:  # mostly: it is gone
        log.debug("not hung up", container=container_id, error=str(error))
