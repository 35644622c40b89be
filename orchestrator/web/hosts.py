"""Which of our faces answers: the host decides.

The proxy sends here whatever no instance's router has taken: the site itself, and instance hosts
that are not live.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ..domain.errors import UnknownHost

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})  # health checks, `distros doctor`


class ByHost:
    def __init__(
        self, *, site: Sequence[BaseRoute], not_live: ASGIApp, site_domain: str, instances: str
    ) -> None:
        self._site = Router(routes=site)
        self._not_live = not_live
        self._site_hosts = LOCAL | {site_domain}
        self._instances = instances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = _hostname(Request(scope).headers.get("host", ""))
        host = named.rstrip(".")
        is_instance = host == self._instances or host.endswith("." + self._instances)
        if not is_instance and host not in self._site_hosts:
            raise UnknownHost(named)
        if host != named:  # the same host, but neither the proxy nor cookies know it so
            url = Request(scope).url.replace(hostname=host)
            await RedirectResponse(url, status_code=308)(scope, receive, send)
        elif is_instance:
            await self._not_live(scope, receive, send)
        else:
            await self._site(scope, receive, send)


def _hostname(host: str) -> str:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name.lower()
