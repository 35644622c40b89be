"""Follows a site to its end: its clock on a terminal, its ending as a sentence and an exit code.

The changes come in a thread of its own, so that the clock runs and keys are read meanwhile. Whoever
leaves with Ctrl-C leaves the site as it is. A server that is away for a moment is waited for, as
always; if it stays away, the command ends, and the site goes on.
"""

import math
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich.status import Status

from ..client import Client
from ..connection import Document, Refused, ServerUnreachable
from ..domain.models import Reason, State
from .errors import ExitCode
from .keys import Keys, reading_keys
from .output import err, note

TICK: Final = 0.2  # seconds
RENEW: Final = "r"
SOON: Final = 300  # seconds before the end, from when on the clock is yellow
AS_PLANNED: Final = {Reason.EXPIRED, Reason.DELETED}
ENDINGS: Final = {
    Reason.EXPIRED: "Its time is up; it was removed, with everything in it.",
    Reason.DELETED: "It was deleted, with everything in it.",
    Reason.CRASHED: "It has crashed: its application stopped by itself.",
    Reason.OUT_OF_MEMORY: "It ran out of memory, and was stopped and removed.",
    Reason.START_FAILED: "It could not be started.",
    Reason.NOT_READY_IN_TIME: "It was not ready in time, and was removed.",
    Reason.REMOVED_BY_ADMIN: "An admin has removed it, with everything in it.",
    Reason.REMOVED_OUTSIDE: "Its container was removed from the server by other means.",
}

Change = Document | Exception | None  # None: it has ended


def follow_to_the_end(client: Client, instance: Document) -> Document:
    """The instance as it ended. Raises ServerUnreachable, Refused."""
    try:
        with reading_keys() as keys:
            clock = _Clock(keys)
            try:
                return _followed(client, instance, clock, keys)
            finally:
                clock.stop()
    except KeyboardInterrupt:
        note(
            f"The site goes on until {_at(instance)}.\n"
            f"  distros follow {instance['id']}  follows it again\n"
            f"  distros delete {instance['id']}  ends it"
        )
        raise


def ending_of(instance: Document) -> tuple[str, ExitCode]:
    """Lived as planned, or not: a sentence, and how the command ends."""
    reason = instance["reason"]
    sentence = ENDINGS.get(reason, f"It has ended ({reason}).")  # a newer server knows others
    if reason in AS_PLANNED:
        return sentence, ExitCode.OK
    detail = f" {instance['detail']}" if instance["detail"] else ""
    return sentence + detail, ExitCode.FAILED


def _followed(client: Client, instance: Document, clock: "_Clock", keys: Keys) -> Document:
    changes = _heard(client, instance["id"])
    while True:
        for change in _so_far(changes):
            if isinstance(change, Exception):
                raise change
            if change is None:
                return instance
            instance.update(change)
        clock.show(instance)
        if RENEW in keys.pressed(TICK).lower() and instance["state"] == State.READY:
            _renew(client, instance)


def _heard(client: Client, instance_id: str) -> "queue.SimpleQueue[Change]":
    changes: queue.SimpleQueue[Change] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for document in client.changes(instance_id, deadline=math.inf):
                changes.put(document)
            changes.put(None)
        except Exception as error:  # is raised where somebody can act on it
            changes.put(error)

    threading.Thread(target=listen, daemon=True).start()
    return changes


def _so_far(changes: "queue.SimpleQueue[Change]") -> Iterator[Change]:
    while not changes.empty():
        yield changes.get()


def _renew(client: Client, instance: Document) -> None:
    try:
        instance.update(client.renew(instance["id"]))
    except (Refused, ServerUnreachable) as error:
        note(str(error))
    else:
        note(f"Renewed: until {_at(instance)}.")


class _Clock:
    """A line on a terminal's standard error, brought up to date; nothing elsewhere."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._status: Status | None = None
        if err.is_terminal:
            self._status = err.status("", spinner="dots", spinner_style="dim")
            self._status.start()

    def show(self, instance: Document) -> None:
        if self._status is not None:
            self._status.update(told(instance, datetime.now(UTC), keys=self._keys.active))

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()


def told(instance: Document, now: datetime, *, keys: bool) -> str:
    """What the line says, with Rich's markup."""
    if instance["state"] != State.READY:
        return "It is being removed …"
    left = max(0, math.ceil((_ends(instance) - now).total_seconds()))
    style = "yellow" if left < SOON else "green"
    clock = f"[bold {style}]{left // 60}:{left % 60:02}[/]"
    ways = [f"{RENEW} renews"] if keys and instance["renewable"] else []
    more = " · ".join([*ways, "Ctrl-C leaves it running"])
    return f"{clock} left, until {_at(instance)} · [dim]{more}[/]"


def _ends(instance: Document) -> datetime:
    return datetime.fromisoformat(instance["expires_at"])


def _at(instance: Document) -> str:
    """In the time of this machine."""
    return f"{_ends(instance).astimezone():%H:%M}"
