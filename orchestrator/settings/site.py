"""What people change."""

from datetime import timedelta
from typing import Annotated

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import (
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode

from ..domain.distribution import Pool
from ..domain.fields import PositiveDuration
from .fields import OriginUrl, pools_of


class SiteSettings(BaseSettings):
    site_url: OriginUrl = Field(
        default=AnyHttpUrl("http://distros.localhost:8080"),
        description="Where visitors find the site: an address without a path.",
    )
    instances_url: OriginUrl = Field(
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
    max_lifetime: PositiveDuration = Field(
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
    def site_origin(self) -> str:
        """`http://distros.localhost:8080`, without a slash at the end."""
        return str(self.site_url).rstrip("/")

    @property
    def site_domain(self) -> str:
        return self.site_url.host or ""

    @property
    def instance_domain(self) -> str:
        return self.instances_url.host or ""
