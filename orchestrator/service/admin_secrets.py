"""What opens the admin page: the admin's token, or a password of which only an argon2 hash is kept.

A hash takes some 50 ms and 64 MiB. It is computed in a thread, so that the service goes on, and for
few at once: whoever else comes waits, and when many wait, is told to come back. Nobody can take the
memory of this machine with wrong passwords, nor the time of those who launch.
"""

import asyncio
import hmac
from typing import Final, Literal

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from ..domain.limits_exceeded import SignInBusy

AT_ONCE: Final = 2  # verifications
WAITING: Final = 8  # others, at most
LONGEST: Final = 1000  # characters of a password
SHORTEST: Final = 12  # characters of a new one

Means = Literal["token", "password"]

log = structlog.get_logger(__name__)


class AdminSecrets:
    def __init__(self, token: SecretStr | None, password_hash: SecretStr | None) -> None:
        self._token = token.get_secret_value() if token else ""
        self._hash = password_hash.get_secret_value() if password_hash else ""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        if self._hash and PasswordHasher().check_needs_rehash(self._hash):
            log.warning(
                "the admin password’s hash is weaker than those of today",
                do="distros admin password --write",
            )

    @property
    def has_token(self) -> bool:
        return bool(self._token)

    @property
    def has_password(self) -> bool:
        return bool(self._hash)

    def fingerprint(self, key: bytes) -> str:
        """Another one once the token or the password changes."""
        return hmac.new(key, f"{self._token}\0{self._hash}".encode(), "sha256").hexdigest()

    async def means_of(self, secret: str) -> Means | None:
        """Which of them that is, if any. Raises SignInBusy."""
        typed = secret.strip()
        if self._token and hmac.compare_digest(typed.encode(), self._token.encode()):
            return "token"
        if not self._hash or not secret or len(secret) > LONGEST:
            return None
        return "password" if await self._is_password(secret) else None

    async def _is_password(self, secret: str) -> bool:
        if self._waiting >= WAITING:
            raise SignInBusy
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await asyncio.to_thread(verify, self._hash, secret)
        finally:
            self._turns.release()


def hashed(password: str) -> str:
    """As `DISTROS_ADMIN_PASSWORD_HASH` has it; takes some 50 ms."""
    return PasswordHasher().hash(password)


def verify(password_hash: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
