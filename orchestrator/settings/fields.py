"""Kinds of settings: how each is written."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, PlainValidator
from pydantic_settings import NoDecode


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


OptionalUrl = Annotated[AnyHttpUrl | None, BeforeValidator(none_where_empty)]


def _without_path(value: AnyHttpUrl) -> AnyHttpUrl:
    parts = urlsplit(str(value))
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        bare = f"{parts.scheme}://{parts.netloc}"
        raise ValueError(f"must be an address without a path, such as {bare}")
    return value


OriginUrl = Annotated[AnyHttpUrl, AfterValidator(_without_path)]  # our routes begin at its root


def written_as(pattern: str, right: str) -> AfterValidator:
    """For what matches `pattern` as a whole; of anything else `right` says what it must be."""

    def matching(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(right)
        return value

    return AfterValidator(matching)
