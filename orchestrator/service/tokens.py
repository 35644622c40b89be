"""Tokens for programs: scoped, expiring, revocable, and kept only as their SHA-256.

All of them are in memory, so that a request asks no database; the store has them first. When one
was last used is written at most once a minute. Whoever waits for something with a token (an event
stream, say) stops waiting when it is revoked or expires.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ..domain.errors import UnknownToken
from ..domain.models import Caller
from ..domain.safeguards import Scope, Token
from ..store.base import Store
from ..timeouts import Timeouts
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
        self._timeouts = Timeouts[str]()  # by visitor

    async def load(self, background: Background) -> None:
        self._background = background
        tokens = await self._store.safeguards.tokens()
        self._by_digest = {token.digest: token for token in tokens}
        self._end_waiting()

    def caller(self, secret: str) -> Caller | None:
        """Who that token is; None where it is wrong, expired or revoked."""
        token = self._by_digest.get(digest_of(secret))
        now = self._now()
        if token is None or not token.is_valid(now):
            return None
        self._touch(token, now)
        return Caller(_owner(token), admin=token.scope is Scope.ADMIN, scope=token.scope)

    def still_valid(self, caller: Caller) -> bool:
        """Of who has come with one of these tokens, whether it has not been revoked or expired
        since; of anybody else always."""
        return caller.scope is None or self._of(caller) is not None

    @asynccontextmanager
    async def while_valid(self, caller: Caller) -> AsyncIterator[None]:
        """Raises TimeoutError as soon as the caller is not `still_valid`."""
        if caller.scope is None:
            yield
            return
        token = self._of(caller)
        left = 0.0 if token is None else _seconds_left(token, self._now())
        async with self._timeouts.timeout(caller.visitor, left):
            yield

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

    def name_of(self, token_id: str) -> str:
        """ "" where there is none."""
        return next((each.name for each in self._by_digest.values() if each.id == token_id), "")

    async def revoke(self, token_id: str) -> None:
        """Raises UnknownToken, also where it was revoked before."""
        now = self._now()
        if not await self._store.safeguards.revoke_token(token_id, now):
            raise UnknownToken(token_id)
        self._by_digest = {
            digest: replace(token, revoked_at=now) if token.id == token_id else token
            for digest, token in self._by_digest.items()
        }
        self._end_waiting()

    def _of(self, caller: Caller) -> Token | None:
        """The token that the caller has come with, where it is valid."""
        now = self._now()
        tokens = self._by_digest.values()
        theirs = (each for each in tokens if _owner(each) == caller.visitor and each.is_valid(now))
        return next(theirs, None)

    def _end_waiting(self) -> None:
        """Whoever waits with a token that is not valid any more stops waiting."""
        now = self._now()
        valid = {_owner(each) for each in self._by_digest.values() if each.is_valid(now)}
        for visitor in self._timeouts.keys:
            if visitor not in valid:
                self._timeouts.end(visitor)

    def _touch(self, token: Token, now: datetime) -> None:
        last = token.last_used_at
        if last is not None and now - last < TOUCH_INTERVAL:
            return
        self._by_digest[token.digest] = replace(token, last_used_at=now)
        if self._background is not None:
            written = self._store.safeguards.touch_token(token.id, now)
            self._background.spawn(written, name=f"note use of token {token.id}")


def _owner(token: Token) -> str:
    """Of what is launched with it."""
    return f"token:{token.id}"


def _seconds_left(token: Token, now: datetime) -> float | None:
    return None if token.expires_at is None else (token.expires_at - now).total_seconds()


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
