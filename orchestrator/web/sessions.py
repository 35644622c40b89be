"""The admin's sessions: a random id in a cookie, and its hash in the store.

All of them are in memory, so that a request asks no database; the store has them first. A session
ends after twelve hours, when its owner signs out, and when the admin's password or token changes;
what has ended does not come back with a restart, nor with a backup. Where the store is away while
somebody signs in, their session holds as long as this process lives.

With TLS the cookie's name begins with `__Host-`: then no browser takes it from any other host.
"""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from pydantic import SecretStr
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ..domain.errors import OutdatedForm
from ..domain.outages import StoreUnavailable
from ..domain.safeguards import AdminSession
from ..service.admin_secrets import AdminSecrets
from ..service.ledger import Clock
from ..store.safeguards import Safeguards
from ..timeouts import Timeouts

COOKIE: Final = "distros_admin"
PATH: Final = "/admin"
LASTS: Final = timedelta(hours=12)
FORM_FIELD: Final = "form"

log = structlog.get_logger(__name__)


class AdminSessions:
    def __init__(
        self,
        safeguards: Safeguards,
        now: Clock,
        *,
        secret_key: SecretStr,
        admin_secrets: AdminSecrets,
        tls: bool,
    ) -> None:
        self._safeguards = safeguards
        self._now = now
        self._key = hmac.digest(secret_key.get_secret_value().encode(), b"admin sessions", "sha256")
        self._secrets = admin_secrets.fingerprint(self._key)
        self._tls = tls
        self.cookie = f"__Host-{COOKIE}" if tls else COOKIE
        self._path = "/" if tls else PATH  # `__Host-` allows no other
        self._sessions: dict[str, AdminSession] = {}  # by digest
        self._timeouts = Timeouts[str]()  # by digest
        self._messages: dict[str, str] = {}  # by digest: what the next page is to say

    async def load(self) -> None:
        sessions = await self._safeguards.admin_sessions()
        self._sessions = {each.digest: each for each in sessions if self._is_valid(each)}
        for digest in self._timeouts.keys:
            if digest not in self._sessions:
                self._timeouts.end(digest)
        if over := {each.digest for each in sessions} - self._sessions.keys():
            await self._safeguards.end_admin_sessions(over)

    async def begin(self, response: Response) -> None:
        session_id = secrets.token_urlsafe(32)
        now = self._now()
        session = AdminSession(_digest(session_id), self._secrets, now, now + LASTS)
        over = [digest for digest, each in self._sessions.items() if not self._is_valid(each)]
        try:
            await self._safeguards.end_admin_sessions(over)
            await self._safeguards.add_admin_session(session)
        except StoreUnavailable:
            log.warning("an admin’s session is not kept past the end of this process")
        for digest in over:
            self._forget(digest)
        self._sessions[session.digest] = session
        response.set_cookie(
            self.cookie,
            session_id,
            max_age=int(LASTS.total_seconds()),
            path=self._path,
            secure=self._tls,
            httponly=True,
            samesite="strict",
        )

    def of(self, connection: HTTPConnection) -> AdminSession | None:
        """That of whoever asks; None where they are not signed in."""
        session = self._sessions.get(_digest(connection.cookies.get(self.cookie, "")))
        return session if session is not None and self._is_valid(session) else None

    @asynccontextmanager
    async def while_valid(self, session: AdminSession) -> AsyncIterator[None]:
        """Raises TimeoutError as soon as the session has ended."""
        left = (
            (session.ends_at - self._now()).total_seconds()
            if session.digest in self._sessions
            else 0
        )
        async with self._timeouts.timeout(session.digest, left):
            yield

    async def end(self, session: AdminSession, response: Response) -> None:
        """Raises StoreUnavailable; then it has not ended."""
        await self._safeguards.end_admin_sessions([session.digest])
        self._forget(session.digest)
        response.delete_cookie(
            self.cookie, path=self._path, secure=self._tls, httponly=True, samesite="strict"
        )

    # -- its pages -----------------------------------------------------------------------------

    def form_token(self, session: AdminSession) -> str:
        """What every form of this session's pages carries."""
        return hmac.new(self._key, session.digest.encode(), "sha256").hexdigest()

    def require_form_token(self, session: AdminSession, form: Mapping[str, str]) -> None:
        """Raises OutdatedForm."""
        sent = form.get(FORM_FIELD, "")
        if not hmac.compare_digest(sent.encode(), self.form_token(session).encode()):
            raise OutdatedForm

    def tell(self, session: AdminSession, message: str) -> None:
        """The session's next page says so; it is text, unless it is markup."""
        self._messages[session.digest] = message

    def message(self, session: AdminSession) -> str:
        """Once; "" where there is none."""
        return self._messages.pop(session.digest, "")

    def _is_valid(self, session: AdminSession) -> bool:
        return session.secrets == self._secrets and self._now() < session.ends_at

    def _forget(self, digest: str) -> None:
        self._sessions.pop(digest, None)
        self._timeouts.end(digest)
        self._messages.pop(digest, None)


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
