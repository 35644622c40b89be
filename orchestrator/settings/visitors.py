"""What visitors may use."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BeforeValidator, ByteSize, Field, SecretStr
from pydantic_settings import BaseSettings

from ..domain.fields import PositiveDuration
from .fields import NetworkList, Networks, OptionalUrl, none_where_empty, written_as


class VisitorSettings(BaseSettings):
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
        gt=0,
        description="How large such a download may be before it is compressed; a larger one is "
        "broken off.",
        examples=["1GiB"],
    )
    take_away_deadline: PositiveDuration = Field(
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
    terminal_idle: PositiveDuration = Field(
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
    captcha_secret: Annotated[SecretStr | None, BeforeValidator(none_where_empty)] = Field(
        default=None, description="Likewise; only this service gets to know it."
    )
    captcha_verify_url: OptionalUrl = Field(
        default=None,
        description="Where the captcha service checks its tokens, if not at its usual address.",
        examples=["https://captcha.example/siteverify"],
    )
    abuse_contact: Annotated[
        str,
        written_as(
            r"|https?://\S+|[^\s@<>\"']+@[^\s@<>\"']+",
            "must be a mail or web address, such as abuse@distros.example or "
            "https://distros.example/abuse",
        ),
    ] = Field(
        default="",
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
