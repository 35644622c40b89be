"""What pages call things: stages, endings, categories and lengths of time, in plain English."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from ..domain.models import Reason, Stage, State


@dataclass(frozen=True, slots=True)
class Ending:
    title: str  # of the page that says so
    sentence: str  # what happened; anyone with the address may read it


class Ended(Protocol):
    """An instance, or its document."""

    @property
    def state(self) -> State: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def ready_at(self) -> datetime | None: ...


class Estimate(Protocol):
    """Seconds until a site is ready."""

    @property
    def usual(self) -> float: ...
    @property
    def at_worst(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Step:
    label: str
    sentence: str  # what goes on in this stage


ENDINGS: Final[Mapping[Reason, Ending]] = {
    Reason.EXPIRED: Ending(
        "This site’s time is up",
        "It lived as long as planned. Then it was removed, with everything in it.",
    ),
    Reason.DELETED: Ending(
        "This site was deleted",
        "Whoever created it has deleted it, with everything in it.",
    ),
    Reason.CRASHED: Ending(
        "This site has crashed",
        "Its application stopped by itself. What was left of it was removed.",
    ),
    Reason.OUT_OF_MEMORY: Ending(
        "This site ran out of memory",
        "Its application needed more memory than it had, and was stopped and removed.",
    ),
    Reason.START_FAILED: Ending(
        "This site could not be started",
        "Something went wrong before it was ready. Nothing of it is left.",
    ),
    Reason.NOT_READY_IN_TIME: Ending(
        "This site was not ready in time",
        "It started, but gave no proper answer in the time it had. It was removed.",
    ),
    Reason.REMOVED_BY_ADMIN: Ending(
        "This site was removed",
        "The administrator has removed it, with everything in it.",
    ),
    Reason.REMOVED_OUTSIDE: Ending(
        "This site is gone",
        "Its container was removed from the server by other means.",
    ),
}

CANCELLED: Final = Ending(
    "This site was cancelled", "Whoever created it cancelled it before it was ready."
)
BY_ITS_OWNER: Final = Ending("You deleted this site", "Nothing of it is left.")
CANCELLED_BY_ITS_OWNER: Final = Ending(
    "You cancelled this site", "It was not ready yet. Nothing of it is left."
)
BEING_REMOVED: Final = "It is being removed right now."

STAGES: Final[Mapping[Stage, Step]] = {
    Stage.QUEUED: Step("Wait for a place", "Waiting for a place, first come, first served."),
    Stage.IMAGE: Step("Look up the image", "Looking up the application’s image."),
    Stage.CONTAINER: Step("Create a container", "Creating a container of its own."),
    Stage.BOOTING: Step("Boot the application", "The application is booting."),
    Stage.CHECKING: Step("Check that it answers", "Checking that the site answers as it should."),
    Stage.READY: Step("Ready", "Your site is ready. Taking you there."),
}

CATEGORIES: Final[Mapping[str, str]] = {
    "cms": "Content management",
    "wiki": "Wiki",
    "shop": "Shop",
    "blog": "Blog",
    "forum": "Forum",
    "other": "Application",
}


def ending(site: Ended, *, owner: bool = False) -> Ending:
    """What to say of a site that is gone, or about to be, to its owner or to anyone."""
    cancelled = site.ready_at is None
    match site.reason, owner:
        case Reason.DELETED, True:
            told = CANCELLED_BY_ITS_OWNER if cancelled else BY_ITS_OWNER
        case Reason.DELETED, False:
            told = CANCELLED if cancelled else ENDINGS[Reason.DELETED]
        case reason, _:
            told = ENDINGS[reason or Reason.REMOVED_OUTSIDE]
    return replace(told, sentence=BEING_REMOVED) if site.state is State.STOPPING else told


def duration(length: timedelta | float) -> str:
    """ "40 minutes", "1 hour 30 minutes", "45 seconds": to the minute above one minute."""
    total = round(length.total_seconds() if isinstance(length, timedelta) else length)
    if total < 60:
        return _count(max(total, 0), "second")
    hours, minutes = divmod(round(total / 60), 60)
    parts = [_count(hours, "hour")] if hours else []
    if minutes:
        parts.append(_count(minutes, "minute"))
    return " ".join(parts)


def seconds(length: float) -> str:
    """ "0.4 s", "12 s", "2:05": as `js/clock.js` shows it."""
    if length < 9.95:
        return f"{length:.1f} s"
    whole = round(length)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02}"


def about(length: float) -> str:
    """ "a second", "25 seconds", "2 minutes", "3 hours": as `js/clock.js` says it."""
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if length >= 1.5 * size:
            return _count(math.floor(length / size + 0.5), unit)
    return "a second"


def wait(estimate: Estimate | None, *, queued: bool) -> str:
    """How long it will take, as `js/waiting.js` says it."""
    if estimate is None:
        return "Nobody can say yet when a place will be free." if queued else ""
    usual, at_worst = about(estimate.usual), about(estimate.at_worst)
    return f"Ready in about {usual}" + (f", {at_worst} at worst." if at_worst != usual else ".")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
