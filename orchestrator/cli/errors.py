"""What a command says, and with which exit code it ends, when something goes wrong."""

from enum import IntEnum
from typing import Final

from ..catalog import InvalidCatalog
from ..connection import Refused
from ..domain.errors import DistrosError, Unauthorized, UnknownDistribution
from ..domain.outages import EngineUnavailable, LaunchFailed
from ..settings import InvalidSettings


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    REFUSED = 5
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "It is done.",
    ExitCode.FAILED: "It was tried and failed: a launch, a build. Or `doctor` has found a problem.",
    ExitCode.USAGE: "Wrong usage, wrong settings, no token, or a catalogue with problems.",
    ExitCode.UNREACHABLE: "The server, or the Docker Engine, cannot be reached.",
    ExitCode.NOT_FOUND: "There is no such instance or distribution.",
    ExitCode.REFUSED: "The server refused (token, name, lifetime), or it cannot launch now: "
    "no room, no image, a part of it away. It says which.",
    ExitCode.INTERRUPTED: "Ctrl-C. What was begun goes on: a launch, a site.",
}


class Failure(Exception):
    """Ends a command with a sentence (or some lines), a hint and an exit code."""

    def __init__(
        self, message: str, *, hint: str | None = None, code: ExitCode = ExitCode.FAILED
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


def failure_of(error: Exception) -> Failure | None:
    """None for an error that nobody foresaw."""
    match error:
        case Failure():
            return error
        case Refused():
            return Failure(str(error), hint=_hint(error), code=_code(error))
        case InvalidSettings():
            return Failure(f"the settings are not right.\n{error}", code=ExitCode.USAGE)
        case InvalidCatalog():
            problems = "\n".join(map(str, error.problems))
            return Failure(f"the catalogue is not right.\n{problems}", code=ExitCode.USAGE)
        case EngineUnavailable():
            hint = "Is it running, and may you use its socket? `docker version` tells."
            return Failure(error.message, hint=hint, code=ExitCode.UNREACHABLE)
        case UnknownDistribution():
            hint = "`distros images list` shows what this catalogue has."
            return Failure(error.message, hint=hint, code=ExitCode.NOT_FOUND)
        case DistrosError():
            return Failure(error.message, hint=error.hint)
    return None


def _code(problem: Refused) -> ExitCode:
    if problem.code == LaunchFailed.code:
        return ExitCode.FAILED
    return ExitCode.NOT_FOUND if problem.status == 404 else ExitCode.REFUSED


def _hint(problem: Refused) -> str | None:
    if problem.code == Unauthorized.code:
        return "DISTROS_TOKEN, or DISTROS_ADMIN_TOKEN in .env, must be the server's own token."
    if problem.code == UnknownDistribution.code:
        return "`distros catalog list` shows what can be launched."
    if problem.retry_after:
        return f"{problem.hint or ''} It asks to wait {problem.retry_after} s.".strip()
    return problem.hint
