"""The admin's means against abuse: kill switch, bans, takedown, and the record of all of it.

The store decides: pause and bans are read in the transaction that admits a launch. They are kept in
memory too, for what pages offer and the pool holds.
"""

import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from ..domain.errors import InvalidRequest, UnknownBan, UnknownInstance, UnknownVisitor
from ..domain.models import ALIVE, PENDING, VISITOR, Instance, Reason
from ..domain.safeguards import AuditEntry, Ban, BanKind, Pause
from .endings import Endings
from .ledger import Ledger

log = structlog.get_logger(__name__)

LONGEST_TARGET = 200  # characters of the audit log
CODE = re.compile(rf"{VISITOR}[0-9a-f]{{8,32}}")  # a visitor's, or enough of its beginning


class Safety:
    def __init__(self, ledger: Ledger, endings: Endings) -> None:
        self._ledger = ledger
        self._endings = endings
        self._safeguards = ledger.store.safeguards
        self.paused: Pause | None = None
        self._bans: dict[str, tuple[BanKind, str]] = {}  # what each bans, by its id
        self._heard: list[Callable[[Ban], None]] = []

    async def load(self) -> None:
        self.paused = await self._safeguards.paused()
        bans = await self._safeguards.bans()
        self._bans = {each.id: (each.kind, each.key) for each in bans}

    # -- the kill switch -----------------------------------------------------------------------

    async def pause(self, reason: str, by: str) -> Pause:
        """From now on nothing is launched, by nobody."""
        pause = Pause(reason, self._ledger.now(), by)
        await self._safeguards.pause(pause)
        self.paused = pause
        log.warning("launches paused", reason=reason, by=by)
        return pause

    async def resume(self, by: str) -> None:
        await self._safeguards.pause(None)
        self.paused = None
        log.warning("launches resumed", by=by)

    # -- bans ------------------------------------------------------------------------------------

    async def ban(self, kind: BanKind, key: str, *, shown: str, reason: str, by: str) -> Ban:
        """Answers the earlier one where the same was banned before.

        From now on nothing of it is launched or renewed, and what was on its way ends. What is
        ready goes on until its lease is over.
        """
        made = Ban(secrets.token_hex(6), kind, key, shown, reason, self._ledger.now(), by)
        added = await self._safeguards.add_ban(made)
        self._bans[added.id] = (kind, key)
        log.warning("ban", ban=added.id, kind=kind, shown=shown, by=by)
        for hear in self._heard:
            hear(added)
        theirs = await self._matching(**{kind.value: key})
        await self._end([each for each in theirs if each.state in PENDING], reason)
        return added

    def on_ban(self, hear: Callable[[Ban], None]) -> None:
        """From now on `hear` gets every ban."""
        self._heard.append(hear)

    async def visitor(self, typed: str) -> str:
        """The visitor whose code is `typed`, or begins so.

        Raises InvalidRequest for what is no such code or means several, UnknownVisitor.
        """
        wanted = typed.strip().lower()
        if not CODE.fullmatch(wanted):
            raise InvalidRequest(
                f"“{typed[:60]}” is no visitor.",
                hint="A code is such as v-1a2b3c4d, as the admin page shows it, or longer.",
            )
        found = await self._safeguards.visitors(wanted)
        if not found:
            raise UnknownVisitor(wanted)
        if len(found) > 1:
            raise InvalidRequest(
                f"“{wanted}” is the beginning of several visitors’ codes.",
                hint="Give more of it.",
            )
        return found[0]

    async def ban_origin(self, instance_id: str, *, reason: str, by: str) -> list[Ban]:
        """Bans the visitor and the address that launched this instance.

        Raises UnknownInstance, InvalidRequest where it was no visitor, or nobody knows any more.
        """
        instance = await self._ledger.find(instance_id)
        if instance is None:
            raise UnknownInstance(instance_id)
        visitor, address = await self._safeguards.origin_of(instance_id) or (instance.owner, "")
        if not visitor.startswith(VISITOR):
            raise InvalidRequest(
                f"No visitor has launched {instance_id}.", hint="Revoke a token instead."
            )
        targets = [(BanKind.VISITOR, visitor)]
        if address:
            targets.append((BanKind.ADDRESS, address))
        shown = f"who launched {instance_id}"
        return [await self.ban(*each, shown=shown, reason=reason, by=by) for each in targets]

    async def unban(self, ban_id: str) -> None:
        """Raises UnknownBan."""
        if not await self._safeguards.remove_ban(ban_id):
            raise UnknownBan(ban_id)
        self._bans.pop(ban_id, None)

    def is_banned(self, kind: BanKind, key: str) -> bool:
        """As far as this process knows."""
        return (kind, key) in self._bans.values()

    async def bans(self) -> tuple[Ban, ...]:
        return await self._safeguards.bans()

    async def origins(self, instance_ids: Collection[str]) -> Mapping[str, tuple[str, str]]:
        """By id: visitor and hashed address that launched it, of those of which that is known."""
        return await self._safeguards.origins_of(instance_ids)

    # -- takedown --------------------------------------------------------------------------------

    async def take_down(
        self,
        *,
        instance: str | None = None,
        visitor: str | None = None,
        address: str | None = None,
        distribution: str | None = None,
        reason: str,
    ) -> list[str]:
        """Ends every site that is one of these; the ids of those that were running or on their way.

        `address` is hashed. What waits in the pool has no visitor and stays.
        """
        doomed = await self._matching(instance, visitor, address, distribution)
        return await self._end(doomed, reason)

    async def _matching(
        self,
        instance: str | None = None,
        visitor: str | None = None,
        address: str | None = None,
        distribution: str | None = None,
    ) -> list[Instance]:
        theirs = await self._safeguards.launched_from(address) if address else ()
        return [
            each
            for each in self._ledger.live.values()
            if each.state in ALIVE
            and not each.pooled
            and (
                each.id == instance
                or (visitor and each.owner == visitor)
                or each.id in theirs
                or each.distribution == distribution
            )
        ]

    async def _end(self, doomed: Sequence[Instance], reason: str) -> list[str]:
        return [
            each.id
            for each in doomed
            if await self._endings.end(each.id, Reason.REMOVED_BY_ADMIN, reason) is not None
        ]

    # -- the record ------------------------------------------------------------------------------

    async def note(
        self, actor: str, action: str, target: str, result: str, address: str = ""
    ) -> None:
        """Of every action of an admin, those that were refused included."""
        target = target[:LONGEST_TARGET]
        entry = AuditEntry(self._ledger.now(), actor, action, target, result, address)
        log.info("admin", actor=actor, address=address, action=action, target=target, result=result)
        await self._safeguards.note(entry)

    async def audit(self, limit: int) -> tuple[AuditEntry, ...]:
        """The latest, newest first."""
        return await self._safeguards.audit(limit)
