"""Where the parts are."""

from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AnyHttpUrl, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from ..domain.addresses import BRIDGE_HOLDS, AddressPlan, bridges_for
from .fields import OptionalUrl, none_where_empty, written_as


class PartSettings(BaseSettings):
    host: str = Field(default="127.0.0.1", description="Address that `distros serve` binds.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that `distros serve` binds.")
    proxy_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8080"),
        description="Traefik's public entrypoint as this service reaches it; readiness is asked "
        "for through it.",
    )
    proxy_admin_url: OptionalUrl = Field(
        default=None,
        description="Traefik's admin entrypoint as this service reaches it; its routes are "
        "compared with what runs. Without it, that side is left out.",
        examples=["http://127.0.0.1:9989"],
    )
    dashboard_url: OptionalUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:9989/dashboard/"),
        description="Where the admin page's link to Traefik's dashboard leads, as the admin's "
        "browser reaches it; empty for no link. In the stack it follows DISTROS_ADMIN_LISTEN.",
    )
    portainer_url: OptionalUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:9988/"),
        description="Likewise for Portainer. In the stack it follows DISTROS_PORTAINER_LISTEN.",
    )
    docker_url: str = Field(
        default="unix:///var/run/docker.sock", description="The Docker Engine (or its proxy)."
    )
    database_url: str = Field(
        default="sqlite+aiosqlite:///.state/distros.db",
        description="SQLAlchemy URL of the store. SQLite comes along and is tested; for PostgreSQL "
        "no driver comes along, and no test has run on it.",
    )
    stack: Annotated[
        str,
        written_as(
            r"[a-z][a-z0-9-]{0,20}",
            "must be small letters, digits and hyphens, beginning with a letter, 21 characters at "
            "most, such as distros",
        ),
    ] = Field(
        default="distros",
        description="This installation's name on the engine: prefix of its containers, and the "
        "value of their `distros.stack` label; 21 characters at most. Others' containers are never "
        "touched.",
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
