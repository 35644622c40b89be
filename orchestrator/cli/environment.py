"""Where the server is, and the settings of this checkout.

`DISTROS_URL` names a remote server, `DISTROS_TOKEN` the token for it. Without them it is the
stack of this checkout, whose address and admin token are in its `.env`. That token never goes to
a server that `DISTROS_URL` names.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource

from ..client import Client
from ..connection import ServerUnreachable
from ..settings import ROOT, CommandSettings, Settings, load_settings
from ..settings.problems import complaints
from .errors import ExitCode, Failure


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    token: str | None
    remote: bool  # named by DISTROS_URL

    def required_token(self) -> str:
        """Raises Failure. Without one, every call would be that of another new visitor."""
        if self.token is not None:
            return self.token
        if self.remote:
            hint = "Set DISTROS_TOKEN; on that server `distros token show` prints it."
        else:
            hint = "`make up` makes DISTROS_ADMIN_TOKEN in .env, and starts the server."
        where = "" if self.remote else f" in {find_env_file() or 'the environment'}"
        message = f"there is no token for {self.url}{where}."
        raise Failure(message, hint=hint, code=ExitCode.USAGE)


def find_server() -> Server:
    """Raises InvalidSettings, Failure."""
    command = command_settings()
    own_token = command.token.get_secret_value() if command.token else None
    if command.url is not None:
        return Server(str(command.url).rstrip("/"), own_token, remote=True)
    settings = local_settings()
    admin_token = settings.admin_token.get_secret_value() if settings.admin_token else None
    return Server(settings.site_origin, own_token or admin_token, remote=False)


@contextmanager
def connect(*, anonymous: bool = False) -> Iterator[Client]:
    """What an `anonymous` one launches, nobody finds again. Raises InvalidSettings, Failure."""
    server = find_server()
    token = server.token if anonymous else server.required_token()
    with Client(server.url, token) as client:
        try:
            yield client
        except ServerUnreachable as error:
            if server.remote:
                hint = "Is DISTROS_URL right? `distros doctor` looks for what is wrong."
            else:
                hint = "`make up` starts a server here; `distros doctor` looks for what is wrong."
            raise Failure(str(error), hint=hint, code=ExitCode.UNREACHABLE) from error


def command_settings() -> CommandSettings:
    try:
        return CommandSettings()
    except ValidationError as error:
        raise Failure("\n".join(complaints(CommandSettings, error)), code=ExitCode.USAGE) from error


def local_settings() -> Settings:
    """The environment's settings, then those in `.env`.

    The Docker Engine is this machine's: what the stack's services are told of it (a socket proxy
    in a network of theirs) is of no use here.
    """
    socket = os.environ.get("DISTROS_DOCKER_SOCKET") or "/var/run/docker.sock"
    docker_url = os.environ.get("DISTROS_DOCKER_URL") or f"unix://{socket}"
    return load_settings(find_env_file(), docker_url=docker_url)


def listens() -> dict[str, str]:
    """The stack's `DISTROS_…LISTEN`, where the environment or `.env` sets them."""
    file = DotEnvSettingsSource(Settings, env_file=find_env_file()).env_vars
    found = {name.upper(): value for name, value in file.items()} | dict(os.environ)
    return {name: value for name, value in found.items() if name.endswith("_LISTEN") and value}


def find_env_file() -> Path | None:
    """`DISTROS_ENV_FILE`, else the nearest `.env` from here upward that is ours, else ROOT's.

    Raises Failure.
    """
    if chosen := command_settings().env_file:
        try:
            chosen.open().close()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            message = f"DISTROS_ENV_FILE: {chosen} cannot be read: {reason}."
            hint = "Name the settings file of a stack; `make up` makes one."
            raise Failure(message, hint=hint, code=ExitCode.USAGE) from error
        return chosen
    here = current_folder()
    candidates = [folder / ".env" for folder in (here, *here.parents, ROOT)]
    return next(filter(_is_ours, candidates), None)


def current_folder() -> Path:
    """Raises Failure where it has been removed meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        message = "the current folder does not exist any more."
        hint = "Change to one that does; settings and paths are looked for from there."
        raise Failure(message, hint=hint, code=ExitCode.USAGE) from error


def _is_ours(path: Path) -> bool:
    try:
        return any(line.startswith("DISTROS_") for line in path.read_text().splitlines())
    except (OSError, UnicodeDecodeError):
        return False
