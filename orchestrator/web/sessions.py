"""The admin's sessions: signed cookies that name a session and say when it began.

They are signed with the admin's token too, so that another token ends them all. A session that was
signed out of does not come back while this process lives.
"""

import secrets
import time
from datetime import timedelta

from itsdangerous import BadSignature, TimestampSigner
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "distros_admin"
PATH = "/admin"
LASTS = timedelta(hours=12)


class AdminSessions:
    def __init__(
        self, *, secret_key: SecretStr, admin_token: SecretStr | None, secure: bool
    ) -> None:
        """`secure`: whether the site is under https, so that the cookie must be."""
        token = admin_token.get_secret_value() if admin_token else ""
        self._possible = admin_token is not None
        self._signer = TimestampSigner(secret_key.get_secret_value() + token, salt="admin session")
        self._secure = secure
        self._ended: dict[str, float] = {}  # session → when it may be forgotten (monotonic)

    def begin(self, response: Response) -> None:
        response.set_cookie(
            COOKIE,
            self._signer.sign(secrets.token_urlsafe(16)).decode(),
            max_age=int(LASTS.total_seconds()),
            path=PATH,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def holds(self, request: Request) -> bool:
        return self._possible and self._session_of(request) is not None

    def end(self, request: Request, response: Response) -> None:
        if session := self._session_of(request):
            now = time.monotonic()
            self._ended = {each: until for each, until in self._ended.items() if until > now}
            self._ended[session] = now + LASTS.total_seconds()
        response.delete_cookie(
            COOKIE, path=PATH, secure=self._secure, httponly=True, samesite="strict"
        )

    def _session_of(self, request: Request) -> str | None:
        try:
            signed = request.cookies.get(COOKIE, "")
            session = self._signer.unsign(signed, max_age=int(LASTS.total_seconds())).decode()
        except (BadSignature, UnicodeError):
            return None
        return None if session in self._ended else session
