"""Who is asking, and whether the request may change anything.

A visitor is known by a signed cookie, which the first launch sets; an admin or CI by a bearer
token. A state change that another site's page has caused is refused (`Sec-Fetch-Site`, `Origin`).
"""

import hmac
import secrets
from dataclasses import replace
from datetime import timedelta

from itsdangerous import BadSignature, Signer
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from ..domain.errors import CrossSiteRequest, Unauthorized
from ..domain.models import ADMIN, Caller
from ..service.limits import Throttle
from .clients import Clients

COOKIE = "distros_visitor"
COOKIE_AGE = timedelta(days=30)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    def __init__(
        self,
        *,
        secret_key: SecretStr,
        admin_token: SecretStr | None,
        site_url: str,
        clients: Clients,
    ) -> None:
        self._signer = Signer(secret_key.get_secret_value(), salt="visitor")
        self._admin_token = admin_token.get_secret_value() if admin_token else None
        self._site_origin = site_url.rstrip("/")
        self._clients = clients
        self.throttle = Throttle()

    def identify(self, request: Request) -> Caller:
        """Raises Unauthorized for a wrong token (and TooManyAttempts for many), CrossSiteRequest
        for a forged state change."""
        address, network = self._clients.of(request)
        if (header := request.headers.get("authorization")) is not None:
            return replace(self._by_token(header, address), address=address, network=network)
        if request.method not in SAFE_METHODS:
            self._refuse_cross_site(request)
        visitor = self._known_visitor(request) or f"v-{secrets.token_hex(16)}"
        return Caller(visitor, address=address, network=network)

    def require_admin(self, request: Request) -> None:
        """Raises Unauthorized."""
        if not self.identify(request).admin:
            raise Unauthorized("This is for an admin's token.")

    def remember(self, response: Response, caller: Caller) -> None:
        """Sets the visitor's cookie; an admin's token needs none."""
        if caller.admin:
            return
        response.set_cookie(
            COOKIE,
            self._signer.sign(caller.visitor).decode(),
            max_age=int(COOKIE_AGE.total_seconds()),
            secure=self._site_origin.startswith("https:"),
            httponly=True,
            samesite="lax",
        )

    def _by_token(self, header: str, address: str) -> Caller:
        scheme, _, token = header.partition(" ")
        expected = self._admin_token
        if (
            scheme.lower() != "bearer"
            or expected is None
            or not hmac.compare_digest(token.strip().encode(), expected.encode())
        ):
            self.throttle.require(address)
            self.throttle.failed(address)
            raise Unauthorized("The token is not valid.")
        return Caller(visitor=ADMIN, admin=True)

    def _known_visitor(self, request: Request) -> str | None:
        try:
            return self._signer.unsign(request.cookies.get(COOKIE, "")).decode()
        except (BadSignature, UnicodeDecodeError):
            return None

    def _refuse_cross_site(self, request: Request) -> None:
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin", self._site_origin)
        if site not in ("same-origin", "none") or origin != self._site_origin:
            raise CrossSiteRequest("This request came from another site's page.")
