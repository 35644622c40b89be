"""What pages call things, in the visitor's language: endings, errors, waits and lengths of time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from markupsafe import Markup

from ..domain.errors import DistrosError
from ..domain.models import Reason, State
from ..domain.outages import Unavailable
from .texts import Texts


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


def ending(t: Texts, site: Ended, *, owner: bool = False) -> Ending:
    """What to say of a site that is gone, or about to be, to its owner or to anyone."""
    key: str = site.reason or Reason.REMOVED_OUTSIDE
    if site.reason is Reason.DELETED:
        key = "cancelled" if site.ready_at is None else "deleted"
        key = f"own_{key}" if owner else key
    sentence = "ending.under_way" if site.state is State.STOPPING else f"ending.{key}.sentence"
    return Ending(t.plain(f"ending.{key}.title"), t.plain(sentence))


def told(t: Texts, error: DistrosError) -> tuple[str, str]:
    """An error's message and hint for visitors; its own words, where there are no others, are for
    programs and the operator."""
    message, hint = _said(t, error, f"problem.{error.code}")
    return message or error.message, hint or error.hint


def told_to_admin(t: Texts, error: DistrosError) -> Markup:
    """Both. Why the service cannot is told in the error's own words, and so is what has no others;
    these are marked as the English that they are."""
    keys = (f"admin.problem.{error.code}", f"problem.{error.code}")
    said = (None, None) if isinstance(error, Unavailable) else _said(t, error, *keys)
    own = (Markup('<span lang="en">{}</span>').format(part) for part in (error.message, error.hint))
    return Markup(" ").join(one or other for one, other in zip(said, own, strict=True))


def _said(t: Texts, error: DistrosError, *keys: str) -> tuple[str | None, str | None]:
    values = dict(vars(error))
    if (seconds_left := values.get("retry_after")) is not None:
        whole = seconds_left if seconds_left < 60 else 60 * math.ceil(seconds_left / 60)
        values["wait"] = duration(t, whole)  # never less than it is
    return _part(t, keys, "message", values), _part(t, keys, "hint", values)


def _part(t: Texts, keys: tuple[str, ...], part: str, values: Mapping[str, Any]) -> str | None:
    """The first text that there is; the most special of a key's: whose limit it is, how many."""
    for key in (each for base in keys for each in (f"{base}.{values.get('whose')}", base)):
        if t.has(f"{key}.{part}"):
            return t.plain(f"{key}.{part}", **values)
        if t.has(f"{key}.{part}.other"):
            form = "one" if values["n"] == 1 else "other"
            return t.plain(f"{key}.{part}.{form}", **values)
    return None


def duration(t: Texts, length: timedelta | float) -> str:
    """ "40 minutes", "1 hour 30 minutes", "45 seconds": to the minute above one minute."""
    total = round(length.total_seconds() if isinstance(length, timedelta) else length)
    if total < 60:
        return t.count("time.second", max(total, 0))
    hours, minutes = divmod(round(total / 60), 60)
    parts = [t.count("time.hour", hours)] if hours else []
    if minutes:
        parts.append(t.count("time.minute", minutes))
    return " ".join(parts)


def brief(length: float) -> str:
    """For tables: "45 s", "40 min", "1 h 30 min"."""
    total = round(length)
    if total < 60:
        return f"{max(total, 0)}\u00a0s"
    hours, minutes = divmod(round(total / 60), 60)
    parts = [f"{hours}\u00a0h"] if hours else []
    return " ".join(parts + ([f"{minutes}\u00a0min"] if minutes else []))


def seconds(t: Texts, length: float) -> str:
    """ "0.4 s", "12 s", "2:05": as `js/clock.js` shows it."""
    if length < 9.95:
        return f"{length:.1f} s".replace(".", t.raw("time.decimal_point"))
    whole = round(length)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02}"


def short(t: Texts, length: float) -> str:
    """Of what takes seconds at most: "0.04 s"."""
    return f"{length:.2f}\u00a0s".replace(".", t.raw("time.decimal_point"))


def size(t: Texts, length: float) -> str:
    """Of memory: "512 KiB", "34 MiB", "1.5 GiB"."""
    unit, each = next(
        ((unit, each) for unit, each in (("GiB", 1024**3), ("MiB", 1024**2)) if length >= each),
        ("KiB", 1024),
    )
    shown = f"{length / each:.1f}" if each == 1024**3 else f"{length / each:.0f}"
    return f"{shown.replace('.', t.raw('time.decimal_point'))}\u00a0{unit}"


def cores(t: Texts, used: float) -> str:
    """CPU time: "0.4 %", "12 %", "150 %" of one core."""
    percent = used * 100
    shown = f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"
    return shown.replace(".", t.raw("time.decimal_point")) + "\u00a0%"


def about(t: Texts, length: float) -> str:
    """ "a second", "25 seconds", "2 minutes", "3 hours": as `js/clock.js` says it."""
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if length >= 1.5 * size:
            return t.count(f"time.{unit}", math.floor(length / size + 0.5))
    return t("time.a_second")


def ago(t: Texts, length: timedelta) -> str:
    """ "just now", "5 minutes ago", "3 hours ago", "2 days ago"."""
    total = length.total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if total >= size:
            return t("time.ago", length=t.count(f"time.in_{unit}", int(total // size)))
    return t("time.just_now")


def wait(t: Texts, estimate: Estimate | None, *, queued: bool) -> str:
    """How long it will take, as `js/waiting.js` says it."""
    if estimate is None:
        return t("waiting.unknown") if queued else ""
    usual, at_worst = about(t, estimate.usual), about(t, estimate.at_worst)
    key = "waiting.estimate" if usual == at_worst else "waiting.estimate_at_worst"
    return t(key, usual=usual, at_worst=at_worst)


def moment(t: Texts, when: datetime, now: datetime) -> Markup:
    """A point in time; `js/local-time.js` puts it into the visitor's own time zone."""
    today = now - when < timedelta(hours=20) and when - now < timedelta(hours=20)
    month = t.raw("time.months").split()[when.month - 1]
    clock = f"{when:%H:%M} UTC"
    shown = (
        clock if today else t("time.date", day=when.day, month=month, year=when.year, clock=clock)
    )
    return Markup('<time datetime="{}" data-local>{}</time>').format(when.isoformat(), shown)


def clock(when: datetime) -> Markup:
    """The time of day, to the second; likewise."""
    shown = f"{when:%H:%M:%S} UTC"
    time = Markup('<time datetime="{}" data-local data-seconds>{}</time>')
    return time.format(when.isoformat(), shown)


def day(t: Texts, when: date) -> str:
    month = t.raw("time.months").split()[when.month - 1]
    return t.plain("time.day", day=when.day, month=month)


def code(text: str) -> Markup:
    """What is typed, or stands in a file."""
    return Markup("<code>{}</code>").format(text)
