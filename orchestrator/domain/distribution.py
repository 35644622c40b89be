"""A distribution: what can be launched, as `distribution.toml` describes it.

The models are the schema: `catalog.py` reads files into them and turns their complaints into
sentences; `docs/distributions.md` is generated from the descriptions here.
"""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    field_validator,
    model_validator,
)

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds_of(value: object) -> object:
    """Reads "40m" as 40 minutes. Anything else is left for the field's own validation to refuse."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([smh])", value.strip())):
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    raise ValueError('must be a whole number with a unit, such as "60s", "40m" or "2h"')


Duration = Annotated[timedelta, BeforeValidator(seconds_of)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[^\s]*$", max_length=200)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Image(Model):
    ref: Line = Field(description="Image reference, such as `distros/dokuwiki:1`.")
    build: bool = Field(
        default=False,
        description="Built from the `Dockerfile` beside distribution.toml; otherwise pulled.",
    )


class Readiness(Model):
    """When the site counts as ready: asked for through the proxy, as a visitor would."""

    path: UrlPath = Field(default="/", description="Path (and query) that is requested.")
    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = Field(
        default=(200,), min_length=1, strict=False, description="Accepted status codes."
    )
    text: str | None = Field(
        default=None, min_length=1, description="Text that must appear in the answer's body."
    )
    deadline: Duration = Field(
        default=timedelta(seconds=60), description="From container start to ready, at most."
    )


class Limits(Model):
    memory: ByteSize = Field(default=ByteSize(256 * 1024**2), description="Memory; no swap beyond.")
    cpus: float = Field(default=1.0, gt=0, le=64, description="CPU time, in cores.")
    pids: int = Field(default=128, ge=8, le=32768, description="Processes and threads.")

    @field_validator("memory")
    @classmethod
    def _docker_minimum(cls, value: ByteSize) -> ByteSize:
        if value < 6 * 1024**2:
            raise ValueError('must be at least "6MiB", the smallest that Docker accepts')
        return value


class Login(Model):
    """How a visitor signs in to the site. The password is fixed, or made for each instance."""

    path: UrlPath = Field(description="The sign-in page.")
    user: Line = Field(description="User name.")
    password: Line | None = Field(default=None, description="A fixed password.")
    password_env: EnvironmentName | None = Field(
        default=None,
        description="Environment variable in which the container gets a password of its own.",
    )

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if (self.password is None) == (self.password_env is None):
            raise ValueError("needs either `password` or `password_env`, and not both")
        return self


class Links(Model):
    admin: UrlPath | None = Field(default=None, description="The site's administration page.")
    database: UrlPath | None = Field(default=None, description="A database tool in the site.")
    terminal: UrlPath | None = Field(default=None, description="A terminal in the site.")


class Distribution(Model):
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")] = Field(
        description="The folder's name; not written in the file."
    )
    name: Line = Field(description="Name as people know it.")
    summary: Line = Field(description="One sentence for the card.")
    version: Line = Field(description="Version of the application.")
    homepage: HttpUrl = Field(description="The project's own page.")
    category: Literal["cms", "wiki", "shop", "blog", "forum", "other"] = Field(
        description="Where the catalogue lists it."
    )
    listed: bool = Field(default=True, description="Whether the public page shows it.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port the site listens on.")
    lifetime: Duration = Field(
        default=timedelta(minutes=40), description="How long an instance lives, once ready."
    )
    image: Image
    readiness: Readiness = Field(default_factory=Readiness)
    limits: Limits = Field(default_factory=Limits)
    environment: dict[EnvironmentName, str] = Field(
        default_factory=dict, description="Environment of the container."
    )
    tmpfs: dict[UrlPath, ByteSize] = Field(
        default_factory=dict, description="Paths kept in memory, each with its size."
    )
    login: Login | None = None
    links: Links = Field(default_factory=Links)

    @field_validator("lifetime")
    @classmethod
    def _sane_lifetime(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=1):
            raise ValueError('must be from "1m" to "24h"')
        return value
