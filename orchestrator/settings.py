"""The settings: read once, frozen, every problem reported at once.

`.env.example` and `docs/configuration.md` are generated from this class (`scripts/generate.py`),
so a description here is the documentation.
"""

from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from .domain.distribution import seconds_of

ROOT = Path(__file__).resolve().parent.parent
Duration = Annotated[timedelta, BeforeValidator(seconds_of)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DISTROS_", frozen=True, extra="ignore")

    # -- what people change ------------------------------------------------------------------
    site_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://distros.localhost:8080"),
        description="Where visitors find the site.",
    )
    instances_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://sandbox.localhost:8080"),
        description="Instances live on subdomains of this address. Its domain must not be the "
        "site's own, nor above or below it: a visitor's code must not set the site's cookies.",
    )
    capacity: int = Field(
        default=20, ge=1, le=1000, description="How many instances may exist at once."
    )
    max_lifetime: Duration = Field(
        default=timedelta(hours=4),
        description="No visitor keeps an instance longer than this, however often it is renewed.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="Bearer token with which CI and the admin use the API; `make up` makes one.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Signs the visitors' cookies; `make up` makes one. Required by `serve`.",
    )

    # -- where the parts are ------------------------------------------------------------------
    host: str = Field(default="127.0.0.1", description="Address that `distros serve` binds.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that `distros serve` binds.")
    proxy_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8080"),
        description="Traefik's public entrypoint as this service reaches it; readiness is asked "
        "for through it.",
    )
    docker_url: str = Field(
        default="unix:///var/run/docker.sock", description="The Docker Engine (or its proxy)."
    )
    database_url: str = Field(
        default="sqlite+aiosqlite:///.state/distros.db",
        description="SQLAlchemy URL of the store.",
    )
    stack: str = Field(
        default="distros",
        pattern=r"^[a-z][a-z0-9-]{0,20}$",
        description="This installation's name on the engine: prefix of its containers, and the "
        "value of their `distros.stack` label. Others' containers are never touched.",
    )
    network: str = Field(
        default="distros-sandbox", description="Docker network that instances are put on."
    )
    subnet: IPv4Network = Field(
        default=IPv4Network("10.213.0.0/16"),
        description="That network's addresses; handed out in turn, so that none is reused soon.",
    )
    entrypoint: str = Field(default="web", description="Traefik's public entrypoint.")

    # -- how it behaves ------------------------------------------------------------------------
    start_concurrency: int = Field(
        default=3, ge=1, le=64, description="Containers started at the same time; others queue."
    )
    engine_timeout: Duration = Field(
        default=timedelta(seconds=30), description="Deadline of one call to the engine."
    )
    relist_interval: Duration = Field(
        default=timedelta(seconds=60),
        description="How often everything is listed anew, whatever the events said.",
    )
    history: Duration = Field(
        default=timedelta(hours=168),
        description="How long an ended instance and its log are remembered.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto`: JSON unless standard output is a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lines below this level are left out."
    )
    distributions_dir: Path = Field(
        default=ROOT / "distributions", description="The catalogue's folder."
    )
    frontend_dir: Path = Field(default=ROOT / "frontend", description="Templates and static files.")

    @field_validator("subnet")
    @classmethod
    def _large_subnet(cls, value: IPv4Network) -> IPv4Network:
        if value.prefixlen > 24:
            raise ValueError("must have at least 256 addresses (/24 or wider)")
        return value

    @field_validator("admin_token", "secret_key")
    @classmethod
    def _long_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @model_validator(mode="after")
    def _separate_domains(self) -> Self:
        site, sandbox = self.site_domain, self.instance_domain
        if site == sandbox or site.endswith("." + sandbox) or sandbox.endswith("." + site):
            raise ValueError(
                "site_url and instances_url must be on domains of which neither contains the other"
            )
        return self

    @property
    def site_domain(self) -> str:
        return self.site_url.host or ""

    @property
    def instance_domain(self) -> str:
        return self.instances_url.host or ""


class InvalidSettings(Exception):
    """Every problem, one a line, with the variable's name and what would be right."""


def load_settings(**overrides: object) -> Settings:
    """Reads `DISTROS_…` variables. Raises InvalidSettings."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        raise InvalidSettings("\n".join(map(_line, error.errors()))) from error


def _line(detail: ErrorDetails) -> str:
    name = f"DISTROS_{detail['loc'][0]}".upper() if detail["loc"] else "The settings"
    message = detail["msg"].removeprefix("Value error, ")
    secret = "secret" in name.lower() or "token" in name.lower()
    shown = (
        f" (it is {detail['input']!r})" if isinstance(detail["input"], str) and not secret else ""
    )
    return f"{name}: {message}{shown}"
