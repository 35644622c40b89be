"""Who is asking, and whether the request may change anything.

A visitor is known by a signed cookie, which every page with a launch form sets; an admin or CI
by a bearer token. A state change that another site's page has caused is refused (`Sec-Fetch-Site`,
`Origin`), and a form counts only with the token that its page has given to the same visitor.

With TLS the cookie's name begins with `__Host-`: then no browser takes it from any other host, not
even from one below the same domain.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from itsdangerous import BadSignature, Signer
from pydantic import SecretStr
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ..domain.errors import CrossSiteRequest, OutdatedForm, Unauthorized
from ..domain.models import ADMIN, VISITOR, Caller
from ..service.limits import Throttle
from ..service.tokens import Tokens
from .clients import Clients

COOKIE = "distros_visitor"
COOKIE_AGE = timedelta(days=30)
FORM_FIELD = "token"
NOT_VALID = "The token is not valid."
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    def __init__(
        self,
        *,
        secret_key: SecretStr,
        admin_token: SecretStr | None,
        site_origin: str,
        tokens: Tokens,
        clients: Clients,
    ) -> None:
        secret = secret_key.get_secret_value()
        self._signer = Signer(secret, salt="visitor")
        self._form_key = hmac.digest(secret.encode(), b"forms", "sha256")
        self._tls = site_origin.startswith("https:")
        self.cookie = f"__Host-{COOKIE}" if self._tls else COOKIE
        self._admin_token = admin_token.get_secret_value() if admin_token else None
        self._site_origin = site_origin
        self._tokens = tokens
        self.clients = clients
        self.throttle = Throttle()

    def identify(self, request: Request) -> Caller:
        """Raises Unauthorized for a wrong token (and TooManyAttempts for many), CrossSiteRequest
        for a forged state change."""
        address, network = self.clients.of(request)
        if (header := request.headers.get("authorization")) is not None:
            caller = self._by_token(header, address)
        else:
            if request.method not in SAFE_METHODS:
                self.refuse_cross_site(request)
            caller = Caller(self._known_visitor(request) or VISITOR + secrets.token_hex(16))
        request.state.caller = replace(caller, address=address, network=network)
        found: Caller = request.state.caller
        return found

    def visitor(self, connection: HTTPConnection) -> Caller:
        """By the cookie alone: nobody that we know where there is none."""
        address, network = self.clients.of(connection)
        return Caller(self._known_visitor(connection) or "", address=address, network=network)

    def is_admins(self, token: str) -> bool:
        """Takes as long whatever is wrong with it."""
        expected = self._admin_token
        return expected is not None and hmac.compare_digest(
            token.strip().encode(), expected.encode()
        )

    def require_valid(self, caller: Caller) -> None:
        """Raises Unauthorized where the token has been revoked or has expired meanwhile."""
        if not self._tokens.still_valid(caller):
            raise Unauthorized(NOT_VALID)

    def require_admin(self, request: Request) -> Caller:
        """Raises Unauthorized."""
        caller = self.identify(request)
        if not caller.admin:
            raise Unauthorized("This is for an admin's token.")
        return caller

    def form_token(self, caller: Caller) -> str:
        """What a form carries that this visitor's page has shown."""
        return hmac.new(self._form_key, caller.visitor.encode(), hashlib.sha256).hexdigest()

    def require_form_token(self, caller: Caller, form: Mapping[str, str]) -> None:
        """Raises OutdatedForm. A bearer token has no page behind it."""
        if is_program(caller):
            return
        sent = form.get(FORM_FIELD, "")
        if not hmac.compare_digest(sent.encode(), self.form_token(caller).encode()):
            raise OutdatedForm

    def remember(self, response: Response, caller: Caller) -> None:
        """Sets the visitor's cookie; a token needs none."""
        if is_program(caller):
            return
        response.set_cookie(
            self.cookie,
            self._signer.sign(caller.visitor).decode(),
            max_age=int(COOKIE_AGE.total_seconds()),
            secure=self._tls,
            httponly=True,
            samesite="lax",
        )

    def _by_token(self, header: str, address: str) -> Caller:
        scheme, _, token = header.partition(" ")
        caller = self._bearer(token.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            self.throttle.require(address)
            self.throttle.failed(address)
            raise Unauthorized(NOT_VALID)
        return caller

    def _bearer(self, token: str) -> Caller | None:
        """Wrong, expired and revoked ones all look alike."""
        return Caller(ADMIN, admin=True) if self.is_admins(token) else self._tokens.caller(token)

    def _known_visitor(self, connection: HTTPConnection) -> str | None:
        try:
            return self._signer.unsign(connection.cookies.get(self.cookie, "")).decode()
        except (BadSignature, UnicodeDecodeError):
            return None

    def require_own_page(self, handshake: HTTPConnection) -> None:
        """Of a WebSocket: browsers send its Origin always, and cookies from whatever page.

        Raises CrossSiteRequest.
        """
        site = handshake.headers.get("sec-fetch-site", "same-origin")
        if site != "same-origin" or handshake.headers.get("origin") != self._site_origin:
            raise CrossSiteRequest("This request did not come from a page of ours.")

    def refuse_cross_site(self, request: Request) -> None:
        """Raises CrossSiteRequest."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin", self._site_origin)
        if site not in ("same-origin", "none") or origin != self._site_origin:
            raise CrossSiteRequest("This request came from another site's page.")


def is_program(caller: Caller) -> bool:
    """It has come with a token."""
    return caller.admin or caller.scope is not None
