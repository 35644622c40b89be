"""Where the server is, and the settings of this checkout.

`DISTROS_URL` names a remote server, `DISTROS_TOKEN` the token for it. Without them it is the
stack of this checkout, whose address and admin token are in its `.env`. That token never goes to
a server that `DISTROS_URL` names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..client import Client
from ..settings import ROOT, Settings, load_settings
from .errors import ExitCode, Failure


class CommandSettings(BaseSettings):
    """What the `distros` command reads beside the settings."""

    model_config = SettingsConfigDict(
        env_prefix="DISTROS_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    url: AnyHttpUrl | None = Field(
        default=None, description="A remote server, for `launch`, `list` and the like."
    )
    token: SecretStr | None = Field(default=None, description="Bearer token for that server.")
    env_file: Path | None = Field(
        default=None,
        description="The stack's settings file, where it is not the `.env` of this checkout.",
    )
    debug: bool = Field(
        default=False, description="Show the traceback of an error that nobody foresaw."
    )


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    token: str | None
    remote: bool  # named by DISTROS_URL


def find_server() -> Server:
    """Raises InvalidSettings, Failure."""
    command = command_settings()
    own_token = command.token.get_secret_value() if command.token else None
    if command.url is not None:
        return Server(str(command.url).rstrip("/"), own_token, remote=True)
    settings = local_settings()
    admin_token = settings.admin_token.get_secret_value() if settings.admin_token else None
    return Server(str(settings.site_url).rstrip("/"), own_token or admin_token, remote=False)


def connect() -> Client:
    server = find_server()
    return Client(server.url, server.token)


def command_settings() -> CommandSettings:
    try:
        return CommandSettings()
    except ValidationError as error:
        lines = [
            f"DISTROS_{str(detail['loc'][0]).upper()}: {detail['msg']}" for detail in error.errors()
        ]
        raise Failure("\n".join(lines), code=ExitCode.USAGE) from error


def local_settings() -> Settings:
    """The environment's settings, then those in `.env`.

    The Docker Engine is this machine's: what the stack's services are told of it (a socket proxy
    in a network of theirs) is of no use here.
    """
    socket = os.environ.get("DISTROS_DOCKER_SOCKET", "/var/run/docker.sock")
    docker_url = os.environ.get("DISTROS_DOCKER_URL") or f"unix://{socket}"
    return load_settings(_env_file=find_env_file(), docker_url=docker_url)


def find_env_file() -> Path | None:
    """`DISTROS_ENV_FILE`, else the nearest `.env` from here upward that is ours, else ROOT's."""
    if chosen := command_settings().env_file:
        return chosen
    here = Path.cwd()
    candidates = [folder / ".env" for folder in (here, *here.parents, ROOT)]
    return next(filter(_is_ours, candidates), None)


def _is_ours(path: Path) -> bool:
    try:
        return any(line.startswith("DISTROS_") for line in path.read_text().splitlines())
    except (OSError, UnicodeDecodeError):
        return False
