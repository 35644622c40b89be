"""What others read: the `distros` command, and the stack."""

from pathlib import Path
from typing import Final

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommandSettings(BaseSettings):
    """What the `distros` command reads beside the settings."""

    model_config = SettingsConfigDict(
        env_prefix="DISTROS_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    url: AnyHttpUrl | None = Field(
        default=None,
        description="A remote server, for `launch`, `list` and the like.",
        examples=["https://distros.example"],
    )
    token: SecretStr | None = Field(default=None, description="Bearer token for that server.")
    env_file: Path | None = Field(
        default=None,
        description="The stack's settings file, where it is not the `.env` of this checkout.",
    )
    debug: bool = Field(
        default=False, description="Show the traceback of an error that nobody foresaw."
    )


# What docker-compose.yml and the scripts read beside the settings; the defaults are theirs. The
# orchestrator sees these too: its container gets all of `.env`.
STACK_VARIABLES: Final = {
    "DISTROS_LISTEN": "Address on which the site and its instances are published.",
    "DISTROS_ADMIN_LISTEN": "Address of Traefik's dashboard, ping and metrics; for the admin only.",
    "DISTROS_PORTAINER_LISTEN": "Address of Portainer; for the admin only.",
    "DISTROS_DOCKER_SOCKET": "The Docker Engine's socket on this machine.",
    "DISTROS_STATE": "Folder on this machine in which `make up` puts `traefik/` (its configuration "
    "and the default certificate with its key), `bridges.yml` and `compose.log`; `make down` "
    "removes these, and the folder if it is empty then. It is made for its owner alone; one that "
    "exists keeps its mode.",
    "DISTROS_TRAEFIK_ADDRESS": "Traefik's address among the instances. `make up` derives it: "
    "the second of DISTROS_BRIDGE_SUBNET.",
    "DISTROS_BRIDGE_SUBNET": "The first bridge's part of DISTROS_SUBNET. `make up` derives it from "
    "DISTROS_CAPACITY: a bridge holds 1,000 instances.",
    "DISTROS_CA_BUNDLE": "Certificates that the build of the stack's images trusts.",
    "DISTROS_ENV_FILE": "The settings file of a second stack; set in the environment, not in it.",
}
