"""What keeps strangers in bounds: tokens, bans, the kill switch, and the record of who did what.

All times are UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a token is good for."""

    LAUNCH = "launch"  # launch, and see, renew and delete what it has launched
    READ = "read"  # see everything, change nothing
    ADMIN = "admin"  # everything


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; not the token itself, only its SHA-256.

    A slow hash such as argon2 protects what people think up. A token has 256 random bits: it cannot
    be guessed however fast the hash is, and it is checked at each request.
    """

    id: str
    name: str
    scope: Scope
    digest: str  # SHA-256, hexadecimal
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None  # to the minute
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class BanKind(StrEnum):
    VISITOR = "visitor"
    ADDRESS = "address"  # IPv4, or an IPv6 /64
    DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class Ban:
    id: str
    kind: BanKind
    key: str  # visitor id, hashed address, or slug
    shown: str  # for the admin who looks at the list
    reason: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The kill switch is thrown: nothing new is launched."""

    reason: str  # visitors read it
    since: datetime
    by: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    at: datetime
    actor: str  # "admin", or "token:<id>"
    action: str  # such as `instance.delete`
    target: str
    result: str  # "ok", or the problem's code
