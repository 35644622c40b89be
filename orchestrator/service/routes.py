"""What the proxy says of its own routes.

Only a ready site's answer proves its route; this is for telling why one does not answer, and for
finding routes that lead nowhere. One request answers for all instances.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from ..domain.outages import ProxyUnavailable

DEADLINE: Final = 2.0  # seconds
PROVIDER: Final = "docker"  # other routers are the stack's own
EVERY: Final = 1_000_000  # on one page


@dataclass(frozen=True, slots=True)
class Route:
    """A router of the proxy's that a container's labels have made."""

    name: str
    enabled: bool = True
    error: str = ""  # the proxy's own words

    @property
    def says(self) -> str:
        return "route" if self.enabled else "route refused"


class Routes(Protocol):
    async def all(self) -> Mapping[str, Route] | None:
        """By name; None where nobody can be asked. Raises ProxyUnavailable."""

    async def close(self) -> None: ...


class NoRoutes:
    """Where the proxy's admin entrypoint is not known: the comparison does without its side."""

    async def all(self) -> None:
        return None

    async def close(self) -> None: ...


class TraefikRoutes:
    """Asks the API at Traefik's admin entrypoint."""

    def __init__(self, admin_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=admin_url, timeout=DEADLINE, trust_env=False, transport=transport
        )

    async def all(self) -> Mapping[str, Route]:
        try:
            async with asyncio.timeout(DEADLINE):
                response = await self._client.get("/api/http/routers", params={"per_page": EVERY})
            response.raise_for_status()
            routes = [_route(item) for item in response.json() if item["provider"] == PROVIDER]
        except (httpx.HTTPError, OSError, ValueError, LookupError, TypeError) as error:
            reason = str(error) or type(error).__name__
            raise ProxyUnavailable(f"The proxy does not tell its routes: {reason}.") from error
        return {route.name: route for route in routes}

    async def close(self) -> None:
        await self._client.aclose()


def _route(router: dict[str, Any]) -> Route:
    """From one of Traefik's routers: `distros-<id>@docker`."""
    return Route(
        name=router["name"].rpartition("@")[0],
        enabled=router["status"] == "enabled",
        error="; ".join(router.get("error") or ()),
    )
