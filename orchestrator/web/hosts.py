"""Which of our faces answers: the host decides.

The proxy sends here whatever no instance's router has taken: the site itself, and instance hosts
that are not live. It has taken the TLS off, so that the scheme of a redirect is the site's own.
"""

import re
from collections.abc import Sequence

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ..domain.errors import UnknownHost

# A name or an address, then a port. What else a client writes there would end up in redirects.
HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{0,5})?", re.ASCII | re.IGNORECASE)
NO_CONNECTION = PlainTextResponse("There is no WebSocket at this address.\n", 404)
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})  # health checks, `distros doctor`


class ByHost:
    def __init__(
        self,
        *,
        site: Sequence[BaseRoute],
        not_live: ASGIApp,
        scheme: str,
        site_domain: str,
        instances: str,
    ) -> None:
        self._site = Router(routes=site)
        self._not_live = not_live
        self._scheme = scheme
        self._site_hosts = LOCAL | {site_domain}
        self._instances = instances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["scheme"] = self._scheme
        sent = HTTPConnection(scope).headers.get("host", "")
        if scope["type"] == "websocket":
            await self._connection(sent, scope, receive, send)
            return
        named = _hostname(sent)
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

    async def _connection(self, sent: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Only the site has WebSockets; that of an instance that is not live comes here, too."""
        found = HOST.fullmatch(sent)
        at_home = found is not None and found[1].lower() in self._site_hosts
        await (self._site if at_home else NO_CONNECTION)(scope, receive, send)


def _hostname(host: str) -> str:
    """Raises UnknownHost."""
    if not (match := HOST.fullmatch(host)):
        raise UnknownHost(host)
    return match[1].lower()
