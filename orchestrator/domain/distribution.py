"""A distribution: what can be launched, as `distribution.toml` describes it.

The models are the schema: `catalog.py` reads files into them and turns their complaints into
sentences; `docs/distributions.md` is generated from the descriptions here.
"""

from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    field_validator,
    model_validator,
)

from .fields import (
    RESERVED_NAMES,
    RUNTIME,
    BarePath,
    Duration,
    EnvironmentName,
    ImageReference,
    Line,
    MountPath,
    MountSize,
    UrlPath,
    UserNumber,
    Word,
)
from .naming import SLUG_PATTERN
from .weaker import Weaker

SMALLEST_MEMORY: Final = 6 * 1024**2  # bytes
# Where most programs expect to write, for a distribution that says nothing of these paths.
DEFAULT_TMPFS: Final = {"/tmp": ByteSize(4 * 1024**2), "/run": ByteSize(1024**2)}  # noqa: S108


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Image(Model):
    ref: ImageReference = Field(
        description="Image reference, such as `distros/dokuwiki:1`. One that is pulled should end "
        "in its digest, `@sha256:…`: then nobody can put another image under its name."
    )
    build: bool = Field(
        default=False,
        description="Built from the `Dockerfile` beside distribution.toml; otherwise pulled.",
    )
    user: UserNumber | None = Field(
        default=None,
        description="Number of the user (and group) it runs as, such as `1000:1000`; needed where "
        "the image's own `USER` is missing, root or a name.",
    )

    @property
    def pinned(self) -> bool:
        """Whether its name can mean one image only."""
        return self.build or "@sha256:" in self.ref


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
        default=timedelta(seconds=60),
        description="From container start to ready, at most; up to `30m`.",
    )

    @field_validator("deadline")
    @classmethod
    def _sane_deadline(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= timedelta(minutes=30):
            raise ValueError('must be from "1s" to "30m"')
        return value


class Limits(Model):
    memory: ByteSize = Field(default=ByteSize(256 * 1024**2), description="Memory; no swap beyond.")
    cpus: float = Field(default=1.0, gt=0, le=64, description="CPU time, in cores.")
    pids: int = Field(default=128, ge=8, le=32768, description="Processes and threads.")
    disk: ByteSize = Field(
        default=ByteSize(512 * 1024**2),
        description="What it may write beside `[tmpfs]`, with `weaker.writable_root`.",
    )

    @field_validator("disk")
    @classmethod
    def _room_to_begin(cls, value: ByteSize) -> ByteSize:
        if value < 1024**2:
            raise ValueError('must be at least "1MiB"')
        return value

    @field_validator("memory")
    @classmethod
    def _docker_minimum(cls, value: ByteSize) -> ByteSize:
        if value < SMALLEST_MEMORY:
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
    link: BarePath | None = Field(
        default=None,
        description="A page of the image that signs in whoever brings `?key=…`, once. The key is "
        "HMAC-SHA256 of `login` with the instance's password, in hex.",
    )

    @field_validator("password_env")
    @classmethod
    def _unreserved(cls, value: str | None) -> str | None:
        if value is not None and (value in RESERVED_NAMES or value.startswith("LD_")):
            raise ValueError("must be a name of its own, such as ADMIN_PASSWORD")
        return value

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if (self.password is None) == (self.password_env is None):
            raise ValueError("needs either `password` or `password_env`, and not both")
        return self

    @model_validator(mode="after")
    def _a_secret_for_the_link(self) -> Self:
        if self.link is not None and self.password is not None:
            raise ValueError(
                "needs `password_env` for its `link`: anyone could make the key of a fixed password"
            )
        return self


class Links(Model):
    admin: UrlPath | None = Field(default=None, description="The site's administration page.")


class TakeAway(Model):
    """What an owner may download of a site while it is ready: as a `.tar.gz`, with a README that
    says how to have the same at home. Without this table there is no such download."""

    paths: tuple[MountPath, ...] = Field(
        min_length=1,
        strict=False,
        description="Files and folders of the container that are packed.",
    )
    command: tuple[Word, ...] | None = Field(
        default=None,
        min_length=1,
        strict=False,
        description="A program of the image, with its arguments, that writes these paths to its "
        "standard output as a tar archive: for what must be copied first, such as a database in "
        "use. Else `tar` packs them as they are.",
    )


class Pool(Model):
    """Instances that are started and ready before anybody asks: a launch takes one at once."""

    min: int = Field(default=0, ge=0, le=50, description="How many there are at least.")
    max: int = Field(
        default=0, ge=0, le=50, description="To how many demand may raise it; 0 for no pool."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError("needs a `max` that is at least its `min`")
        return self


class Distribution(Model):
    slug: Annotated[str, StringConstraints(pattern=SLUG_PATTERN.pattern)] = Field(
        description="The folder's name; not written in the file."
    )
    name: Line = Field(description="Name as people know it.")
    summary: Line = Field(description="One sentence for the card.")
    version: Line = Field(description="Version of the application.")
    homepage: HttpUrl = Field(description="The project's own page.")
    category: Literal["cms", "wiki", "shop", "blog", "forum", "other"] = Field(
        description="Where the catalogue lists it."
    )
    inside: tuple[Line, ...] = Field(
        default=(), strict=False, description="What is set up in it, a line each, for its own page."
    )
    source: HttpUrl | None = Field(default=None, description="Where its source code can be read.")
    at_home: bool = Field(
        default=False,
        description="Whether visitors are shown the `docker run` that gives them the same at home. "
        "With `image.build` they may then download this folder, too: keep secrets out of it.",
    )
    listed: bool = Field(default=True, description="Whether the public page shows it.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port the site listens on.")
    lifetime: Duration = Field(
        default=timedelta(minutes=40), description="How long an instance lives, once ready."
    )
    image: Image
    readiness: Readiness = Field(default_factory=Readiness)
    limits: Limits = Field(default_factory=Limits)
    pool: Pool = Field(default_factory=Pool)
    environment: dict[EnvironmentName, str] = Field(
        default_factory=dict, description="Environment of the container."
    )
    tmpfs: dict[MountPath, MountSize] = Field(
        default_factory=dict,
        description="Folders that can be written, kept in memory, each with its size; they begin "
        "empty. `/tmp` (4 MiB) and `/run` (1 MiB) are there where nothing else is said.",
    )
    runtime: Annotated[str, StringConstraints(pattern=RUNTIME)] | None = Field(
        default=None,
        description="The engine's runtime for it, such as `runsc` or `kata`; else the engine's own "
        "choice. Without that runtime it does not start.",
    )
    terminal: tuple[Line, ...] = Field(
        default=(),
        strict=False,
        max_length=16,
        description="The shell that its owner gets in the browser, as a command with its "
        'arguments, such as `["/bin/bash"]`. It runs in the instance as its ordinary user. The '
        "image must have `/bin/sh`, which ends what was left running. Without it there is none.",
    )
    database: BarePath | None = Field(
        default=None,
        description="A page of the image that opens its database tool to whoever brings a "
        "`?ticket=…` of ours, and to nobody else; its owner is sent there with one. Needs "
        "`login.password_env`, from which the tickets are made.",
    )
    login: Login | None = None
    links: Links = Field(default_factory=Links)
    take_away: TakeAway | None = None
    weaker: Weaker = Field(default_factory=Weaker)

    @property
    def reaches_out(self) -> bool:
        """To the Internet."""
        return self.weaker.egress is not None

    @property
    def writable(self) -> dict[str, ByteSize]:
        """Its folders in memory, each with its size. An image whose root can be written keeps what
        it has in `/tmp` and `/run`."""
        default = {} if self.weaker.writable_root else DEFAULT_TMPFS
        return {**default, **self.tmpfs}

    @model_validator(mode="after")
    def _a_secret_for_the_tickets(self) -> Self:
        if self.database is not None and (self.login is None or self.login.password_env is None):
            raise ValueError("needs `login.password_env` for its `database`: tickets come from it")
        return self

    @field_validator("lifetime")
    @classmethod
    def _sane_lifetime(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=1):
            raise ValueError('must be from "1m" to "24h"')
        return value
