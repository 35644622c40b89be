"""What the store keeps for the safeguards. Every call raises StoreUnavailable like the store's."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from ..domain.safeguards import AdminSession, AuditEntry, Ban, Pause, Token


class Safeguards(Protocol):
    async def spend(
        self, key: str, *, now: datetime, until: datetime, bucket: str = "", most: int = 0
    ) -> bool:
        """Marks a one-time thing as used; False where it was used before. Of many who race, one
        wins. It is remembered `until` then.

        Raises TooManyPatient where `most` of the same `bucket` were used within the last hour.
        """

    async def tokens(self) -> tuple[Token, ...]:
        """Oldest first, the revoked ones included."""

    async def add_token(self, token: Token) -> None: ...

    async def touch_token(self, token_id: str, now: datetime) -> None:
        """It was used just now."""

    async def revoke_token(self, token_id: str, now: datetime) -> bool:
        """False where there is none, or where it was revoked before."""

    async def bans(self) -> tuple[Ban, ...]:
        """Oldest first."""

    async def add_ban(self, ban: Ban) -> Ban:
        """Answers the earlier one where the same was banned before."""

    async def remove_ban(self, ban_id: str) -> bool:
        """False where there is none."""

    async def paused(self) -> Pause | None: ...

    async def pause(self, pause: Pause | None) -> None:
        """Throws the kill switch, or with None takes it back."""

    async def origin_of(self, instance_id: str) -> tuple[str, str] | None:
        """Visitor and hashed address that launched it, while the limits still know."""

    async def origins_of(self, instance_ids: Collection[str]) -> Mapping[str, tuple[str, str]]:
        """The same of many, by their ids; without those of which nothing is known."""

    async def visitors(self, prefix: str) -> tuple[str, ...]:
        """Those whose codes begin so and of whom there are launches, at most two of them."""

    async def launched_from(self, address: str) -> tuple[str, ...]:
        """Ids of what that hashed address has launched, while the limits still know."""

    async def admin_sessions(self) -> tuple[AdminSession, ...]:
        """Oldest first, those included whose time is up."""

    async def add_admin_session(self, session: AdminSession) -> None: ...

    async def end_admin_sessions(self, digests: Collection[str]) -> None:
        """Those that are not there are fine."""

    async def note(self, entry: AuditEntry) -> None: ...

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        """The latest, newest first."""

    async def forget_audit(self, *, before: datetime) -> None:
        """Deletes older entries."""
