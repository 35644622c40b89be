"""What a shell offers at the Tab key: slugs and ids, from the server or from this checkout.

It must never be in the way: where the server does not answer within a second, or anything else is
wrong, nothing is offered and nothing is said.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from ..catalog import load_catalog
from ..client import Client
from .environment import find_server, local_settings

DEADLINE: Final = httpx.Timeout(1.0, connect=0.5)  # seconds
OFFERED: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)  # a shell takes nothing else from us

Offers = list[tuple[str, str]]  # what can be typed, and what it is


def distributions(incomplete: str) -> Offers:
    """That the server offers."""
    return _offers(incomplete, _distributions)


def instances(incomplete: str) -> Offers:
    """That live now."""
    return _offers(incomplete, _instances)


def own_distributions(incomplete: str) -> Offers:
    """Of this checkout's catalogue."""
    return _offers(incomplete, _own_distributions)


def _offers(incomplete: str, found: Callable[[], Iterator[tuple[str, str]]]) -> Offers:
    try:
        return [
            (value, " ".join(about.split()))
            for value, about in found()
            if value.startswith(incomplete) and OFFERED.fullmatch(value)
        ]
    except Exception:
        return []


def _distributions() -> Iterator[tuple[str, str]]:
    server = find_server()
    with Client(server.url, server.token, timeout=DEADLINE) as client:
        for each in client.distributions():
            yield each["slug"], each["name"]


def _instances() -> Iterator[tuple[str, str]]:
    server = find_server()
    with Client(server.url, server.required_token(), timeout=DEADLINE) as client:
        for each in client.instances():
            named = f"{each['distribution']} {each['name'] or ''}".strip()
            yield each["id"], f"{named}, {each['state']}"


def _own_distributions() -> Iterator[tuple[str, str]]:
    for each in load_catalog(local_settings().distributions_dir):
        yield each.slug, each.name
