"""Tokens for programs: scoped, expiring, revocable, and kept only as their SHA-256.

All of them are in memory, so that a request asks no database; the store has them first. When one
was last used is written at most once a minute.
"""

import hashlib
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ..domain.errors import UnknownToken
from ..domain.models import Caller
from ..domain.safeguards import Scope, Token
from ..store.base import Store
from .background import Background
from .ledger import Clock

PREFIX: Final = "distros_"  # by which scanners of leaked secrets, and people, know one
TOUCH_INTERVAL: Final = timedelta(minutes=1)


class Tokens:
    def __init__(self, store: Store, now: Clock) -> None:
        self._store = store
        self._now = now
        self._background: Background | None = None
        self._by_digest: dict[str, Token] = {}

    async def load(self, background: Background) -> None:
        self._background = background
        tokens = await self._store.safeguards.tokens()
        self._by_digest = {token.digest: token for token in tokens}

    def caller(self, secret: str) -> Caller | None:
        """Who that token is; None where it is wrong, expired or revoked."""
        token = self._by_digest.get(digest_of(secret))
        now = self._now()
        if token is None or not token.is_valid(now):
            return None
        self._touch(token, now)
        return Caller(f"token:{token.id}", admin=token.scope is Scope.ADMIN, scope=token.scope)

    async def create(
        self, name: str, scope: Scope, expires_at: datetime | None, by: str
    ) -> tuple[Token, str]:
        """The token's entry and the token itself, which nobody can read again."""
        secret = PREFIX + secrets.token_urlsafe(32)
        token = Token(
            id=secrets.token_hex(6),
            name=name,
            scope=scope,
            digest=digest_of(secret),
            created_at=self._now(),
            created_by=by,
            expires_at=expires_at,
        )
        await self._store.safeguards.add_token(token)
        self._by_digest[token.digest] = token
        return token, secret

    def listed(self) -> list[Token]:
        """Oldest first, those included that are not valid any more."""
        return list(self._by_digest.values())

    async def revoke(self, token_id: str) -> None:
        """Raises UnknownToken, also where it was revoked before."""
        now = self._now()
        if not await self._store.safeguards.revoke_token(token_id, now):
            raise UnknownToken(token_id)
        self._by_digest = {
            digest: replace(token, revoked_at=now) if token.id == token_id else token
            for digest, token in self._by_digest.items()
        }

    def _touch(self, token: Token, now: datetime) -> None:
        last = token.last_used_at
        if last is not None and now - last < TOUCH_INTERVAL:
            return
        self._by_digest[token.digest] = replace(token, last_used_at=now)
        if self._background is not None:
            written = self._store.safeguards.touch_token(token.id, now)
            self._background.spawn(written, name=f"note use of token {token.id}")


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
