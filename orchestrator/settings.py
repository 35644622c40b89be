"""The settings: read once, frozen, every problem reported at once.

`.env.example` and `docs/configuration.md` are generated from what stands here
(`scripts/generate.py`), so a description here is the documentation.
"""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import (
    AnyHttpUrl,
    BeforeValidator,
    ByteSize,
    Field,
    PlainValidator,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict

from .domain.addresses import BRIDGE_HOLDS, AddressPlan, bridges_for
from .domain.distribution import Pool, seconds_of
from .failpoints import VARIABLE as FAILPOINT
from .settings_problems import complaints, variable

ROOT = Path(__file__).resolve().parent.parent
Duration = Annotated[timedelta, BeforeValidator(seconds_of)]


def pools_of(value: object) -> object:
    """Reads "dokuwiki=1-4, mediawiki=2"."""
    if not isinstance(value, str):
        return value
    pools = {}
    for part in filter(None, map(str.strip, value.split(","))):
        match = re.fullmatch(r"([a-z0-9-]+)\s*=\s*(\d+)(?:\s*-\s*(\d+))?", part)
        if match is None:
            raise ValueError("must be such as dokuwiki=1-4, mediawiki=2")
        pools[match[1]] = {"min": int(match[2]), "max": int(match[3] or match[2])}
    return pools


class Networks(tuple[IPv4Network | IPv6Network, ...]):
    """As it is written: "10.0.0.0/8, fd00::/8"."""

    @classmethod
    def read(cls, written: object) -> "Networks":
        """Raises ValueError."""
        try:
            parts = str(written).split(",")
            return cls(ip_network(part) for part in map(str.strip, parts) if part)
        except ValueError as error:
            raise ValueError(f"must be networks, such as 10.0.0.0/8, fd00::/8; {error}") from error

    def __str__(self) -> str:
        return ", ".join(map(str, self))


NetworkList = Annotated[Networks, NoDecode, PlainValidator(Networks.read)]


def none_where_empty(value: object) -> object:
    """Compose hands over a variable that is not set as an empty one."""
    return None if value == "" else value


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
        default=20, ge=1, le=10_000, description="How many instances may exist at once."
    )
    queue_limit: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="How many launches may wait when all places are taken; others are refused.",
    )
    pool_limit: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="How many instances may be started before anybody asks for them, of all "
        "distributions together; each sets its own bounds (`pool`). 0 for none.",
    )
    pools: Annotated[dict[str, Pool], NoDecode, BeforeValidator(pools_of)] = Field(
        default={},
        description="Bounds of single distributions' pools, instead of those in their "
        "`distribution.toml`: least and most, or one number for both, such as "
        "`dokuwiki=1-4, mediawiki=2`.",
        examples=["dokuwiki=1-4, mediawiki=2"],
    )
    max_lifetime: Duration = Field(
        default=timedelta(hours=4),
        description="No visitor keeps an instance longer than this, however often it is renewed.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="Bearer token with which CI and the admin use the API; `make up` makes one.",
    )
    admin_password_hash: SecretStr | None = Field(
        default=None,
        description="With a password the admin page opens too, not with the token alone. This is "
        "its argon2 hash, in single quotes; `distros admin password --write` asks for the password "
        "and writes it.",
        examples=["'$argon2id$v=19$m=65536,t=3,p=4$…'"],
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Signs the visitors' cookies; `make up` makes one. Required by `serve`.",
    )

    # -- what visitors may use -----------------------------------------------------------------
    launches_per_visitor: int = Field(
        default=10,
        ge=0,
        le=1_000_000,
        description="Sites that one visitor may create in an hour; 0 for as many as they like. The "
        "admin's token has no limits.",
    )
    launches_per_address: int = Field(
        default=30,
        ge=0,
        le=1_000_000,
        description="The same from one internet address (IPv4, or an IPv6 /64). A workshop behind "
        "one address needs more: participants times sites.",
    )
    launches_per_network: int = Field(
        default=120,
        ge=0,
        le=1_000_000,
        description="The same from one network (IPv4 /24, IPv6 /48).",
    )
    instances_per_visitor: int = Field(
        default=5,
        ge=0,
        le=1_000_000,
        description="Sites that one visitor may have at once, those that queue included; 0 for as "
        "many as they like.",
    )
    instances_per_address: int = Field(
        default=15,
        ge=0,
        le=1_000_000,
        description="The same from one internet address.",
    )
    streams_per_visitor: int = Field(
        default=20,
        ge=0,
        le=1_000_000,
        description="Event streams that one visitor may have open at once: each open page of a "
        "site takes one. 0 for as many as they like.",
    )
    streams_per_address: int = Field(
        default=200,
        ge=0,
        le=1_000_000,
        description="The same from one internet address.",
    )
    take_aways: int = Field(
        default=8,
        ge=0,
        le=1000,
        description="Sites that may be downloaded by their owners at once, where their "
        "distributions allow it (`take_away`): one by each visitor, half of them from one address. "
        "0 for none: then no page offers it.",
    )
    take_away_size: ByteSize = Field(
        default=ByteSize(1024**3),
        description="How large such a download may be before it is compressed; a larger one is "
        "broken off.",
        examples=["1GiB"],
    )
    take_away_deadline: Duration = Field(
        default=timedelta(minutes=10), description="One that takes longer is broken off, too."
    )
    terminals: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="Terminals in the browser that may be open at once, for distributions that "
        "offer one (`terminal`). 0 for none: then no page offers one.",
    )
    terminals_per_visitor: int = Field(
        default=3,
        ge=0,
        le=10_000,
        description="The same of one visitor; 0 for as many as they like.",
    )
    terminals_per_address: int = Field(
        default=20,
        ge=0,
        le=10_000,
        description="The same from one internet address.",
    )
    terminal_idle: Duration = Field(
        default=timedelta(minutes=15),
        description="A terminal in which nobody types for so long is closed.",
    )
    launches_per_token: int = Field(
        default=120,
        ge=0,
        le=1_000_000,
        description="Instances that a token for launching may create in an hour, from wherever; "
        "`distros token create` makes one.",
    )
    instances_per_token: int = Field(
        default=10, ge=0, le=1_000_000, description="Instances that it may have at once."
    )
    captcha: Literal["altcha", "recaptcha", "hcaptcha", "turnstile", "none"] = Field(
        default="altcha",
        description="How spam is kept out. `altcha` is our own: the browser does some work while "
        "its visitor reads, and nobody else is asked. The next three are services that need "
        "DISTROS_CAPTCHA_SITE_KEY and DISTROS_CAPTCHA_SECRET, and their script in the page. `none` "
        "is for development.",
    )
    captcha_complexity: int = Field(
        default=50_000,
        ge=1_000,
        le=10_000_000,
        description="How much work `altcha` asks for: hashes at most, half as many on average.",
    )
    launches_without_javascript: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="With `altcha`: sites that may be created without JavaScript from one address "
        "in an hour. Such a browser does no work; it waits for three seconds.",
    )
    captcha_site_key: str = Field(default="", description="Of the captcha service, if one is used.")
    captcha_secret: SecretStr | None = Field(
        default=None, description="Likewise; only this service gets to know it."
    )
    captcha_verify_url: AnyHttpUrl | None = Field(
        default=None,
        description="Where the captcha service checks its tokens, if not at its usual address.",
        examples=["https://captcha.example/siteverify"],
    )
    abuse_contact: str = Field(
        default="",
        pattern=r"^$|^https?://\S+$|^[^\s@<>\"']+@[^\s@<>\"']+$",
        description="Mail or web address for “Report abuse”, which then stands on every page of "
        "ours; without one it does not.",
        examples=["abuse@distros.example"],
    )
    trusted_proxies: NetworkList = Field(
        default=Networks(map(ip_network, ("127.0.0.0/8", "::1/128"))),
        description="Networks from which Traefik reaches this service: only from there "
        "`X-Forwarded-For` is believed. In the Compose stack it is private networks if nothing is "
        "said, because there nobody but Traefik reaches the service.",
    )
    outer_proxies: NetworkList = Field(
        default=Networks(),
        description="Addresses of the proxies in front of Traefik, if any, such as a load "
        "balancer's: `X-Forwarded-For` is believed from them too.",
        examples=["203.0.113.10/32"],
    )

    # -- where the parts are ------------------------------------------------------------------
    host: str = Field(default="127.0.0.1", description="Address that `distros serve` binds.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that `distros serve` binds.")
    proxy_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8080"),
        description="Traefik's public entrypoint as this service reaches it; readiness is asked "
        "for through it.",
    )
    proxy_admin_url: AnyHttpUrl | None = Field(
        default=None,
        description="Traefik's admin entrypoint as this service reaches it; its routes are "
        "compared with what runs. Without it, that side is left out.",
        examples=["http://127.0.0.1:9989"],
    )
    dashboard_url: Annotated[AnyHttpUrl | None, BeforeValidator(none_where_empty)] = Field(
        default=AnyHttpUrl("http://127.0.0.1:9989/dashboard/"),
        description="Where the admin page's link to Traefik's dashboard leads, as the admin's "
        "browser reaches it; empty for no link. In the stack it follows DISTROS_ADMIN_LISTEN.",
    )
    portainer_url: Annotated[AnyHttpUrl | None, BeforeValidator(none_where_empty)] = Field(
        default=AnyHttpUrl("http://127.0.0.1:9988/"),
        description="Likewise for Portainer. In the stack it follows DISTROS_PORTAINER_LISTEN.",
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
    egress_subnet: Annotated[IPv4Network | None, BeforeValidator(none_where_empty)] = Field(
        default=None,
        description="Addresses of the instances that may reach the Internet, whose distributions "
        "ask for `weaker.egress`. Without it none may. `make up` makes the network.",
        examples=["10.212.0.0/16"],
    )
    entrypoint: str = Field(default="web", description="Traefik's public entrypoint.")

    # -- how it behaves ------------------------------------------------------------------------
    start_concurrency: int = Field(
        default=3, ge=1, le=64, description="Containers started at the same time; others queue."
    )
    pool_reserve: ByteSize = Field(
        default=ByteSize(1024**3),
        description="Memory that the pool leaves free: it does not grow into it, and shrinks when "
        "there is less.",
        examples=["1GiB"],
    )
    disk_reserve: ByteSize = Field(
        default=ByteSize(2 * 1024**3),
        description="Room that is kept free on the disk of the database and, where it can be seen, "
        "of the Docker Engine: with less of it, launches are refused. 0 for none.",
        examples=["2GiB"],
    )
    memory_reserve: ByteSize = Field(
        default=ByteSize(512 * 1024**2),
        description="Memory of this machine that is kept free: with less of it, launches that the "
        "pool does not serve are refused. 0 for none.",
        examples=["512MiB"],
    )
    bring_images: bool = Field(
        default=True,
        description="Whether the service pulls or builds the images that are missing when it "
        "starts, beside its other work.",
    )
    engine_timeout: Duration = Field(
        default=timedelta(seconds=30), description="Deadline of one call to the engine."
    )
    relist_interval: Duration = Field(
        default=timedelta(seconds=60),
        description="How often everything is listed anew, whatever the events said.",
    )
    synthetic_interval: Duration = Field(
        default=timedelta(minutes=5),
        description="How often the service launches, reads and deletes a small site of its own, to "
        "know whether all of that works. `0s` for never.",
    )
    synthetic_distribution: str = Field(
        default="hello",
        pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$",
        description="Of which distribution that site is. The smaller, the better.",
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
        default=ROOT / "distributions",
        description="The catalogue's folder, on this machine: `make up` gives it to the services "
        "that read it. Everybody must be able to read what is in it.",
    )
    frontend_dir: Path = Field(default=ROOT / "frontend", description="Templates and static files.")

    @field_validator("instances_url")
    @classmethod
    def _separate_domains(cls, value: AnyHttpUrl, info: ValidationInfo) -> AnyHttpUrl:
        sandbox = value.host or ""
        if "site_url" not in info.data:  # it is wrong itself
            return value
        site = info.data["site_url"].host or ""
        if f".{site}".endswith(f".{sandbox}") or f".{sandbox}".endswith(f".{site}"):
            raise ValueError(
                f"must be on another domain than DISTROS_SITE_URL ({site}), "
                "of which neither contains the other"
            )
        return value

    @field_validator("subnet")
    @classmethod
    def _large_subnet(cls, value: IPv4Network, info: ValidationInfo) -> IPv4Network:
        capacity = info.data.get("capacity", 1)
        room = AddressPlan(value, bridges_for(capacity)).room() if value.prefixlen <= 24 else 0
        if room < max(capacity, 1):
            raise ValueError(
                f"must have {max(capacity, 200)} addresses to give: take a wider one, such as /16"
            )
        return value

    @field_validator("egress_subnet")
    @classmethod
    def _large_egress_subnet(
        cls, value: IPv4Network | None, info: ValidationInfo
    ) -> IPv4Network | None:
        if value is None or "subnet" not in info.data:
            return value
        if value.overlaps(info.data["subnet"]):
            raise ValueError("must not overlap with DISTROS_SUBNET")
        most = min(info.data.get("capacity", 1), BRIDGE_HOLDS)
        if value.prefixlen > 24 or AddressPlan(value).room() < most:
            raise ValueError(
                f"must have {max(most, 200)} addresses to give: take a wider one, such as /16"
            )
        return value

    @field_validator("admin_token", "secret_key")
    @classmethod
    def _long_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @field_validator("admin_password_hash")
    @classmethod
    def _readable_hash(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        try:
            extract_parameters(value.get_secret_value())
        except (InvalidHashError, UnicodeError) as error:
            raise ValueError(
                "must be an argon2 hash in single quotes; `distros admin password` makes one"
            ) from error
        return value

    @property
    def site_domain(self) -> str:
        return self.site_url.host or ""

    @property
    def instance_domain(self) -> str:
        return self.instances_url.host or ""


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
    "DISTROS_STATE": "Folder on this machine for Traefik's configuration and the set-up's logs.",
    "DISTROS_TRAEFIK_ADDRESS": "Traefik's address among the instances. `make up` derives it: "
    "the second of DISTROS_BRIDGE_SUBNET.",
    "DISTROS_BRIDGE_SUBNET": "The first bridge's part of DISTROS_SUBNET. `make up` derives it from "
    "DISTROS_CAPACITY: a bridge holds 1,000 instances.",
    "DISTROS_CA_BUNDLE": "Certificates that the build of the stack's images trusts.",
    "DISTROS_ENV_FILE": "The settings file of a second stack; set in the environment, not in it.",
}


class InvalidSettings(Exception):
    """Every problem, one a line, with the variable's name and what would be right."""


def load_settings(env_file: Path | None = None, **overrides: object) -> Settings:
    """Reads `DISTROS_…` variables, and then those of `env_file`. Raises InvalidSettings."""
    problems = list(_unknown(env_file))
    given: dict[str, Any] = {"_env_file": env_file, **overrides}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise InvalidSettings("\n".join([*complaints(Settings, error), *problems])) from error
    if problems:
        raise InvalidSettings("\n".join(problems))
    return settings


def _unknown(env_file: Path | None) -> Iterator[str]:
    """A mistyped name would otherwise pass in silence."""
    fields = (*Settings.model_fields, *CommandSettings.model_fields)
    known = {*map(variable, fields), *STACK_VARIABLES, FAILPOINT}
    found = {*os.environ, *DotEnvSettingsSource(Settings, env_file=env_file).env_vars}
    for name in sorted({name.upper() for name in found} - known):
        if name.startswith("DISTROS_"):
            bare = [each.removeprefix("DISTROS_") for each in known]
            close = get_close_matches(name.removeprefix("DISTROS_"), bare, 1)
            hint = f"did you mean DISTROS_{close[0]}?" if close else "docs/configuration.md has all"
            yield f"{name}: is no setting; {hint}"
