"""Instances: their states, stages and endings.

`queued → starting → ready → stopping → gone`, or `failed` for a launch that never became ready
through a fault. Every ending has a typed reason.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Final


class State(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    GONE = "gone"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """No container is left."""
        return self in ENDED

    @property
    def pending(self) -> bool:
        """On its way to ready."""
        return self in PENDING


PENDING: Final = frozenset({State.QUEUED, State.STARTING})
ALIVE: Final = PENDING | {State.READY}  # what can still be ended
LIVE: Final = ALIVE | {State.STOPPING}  # what holds a place: stopping counts until confirmed
ENDED: Final = frozenset({State.GONE, State.FAILED})


class Stage(StrEnum):
    """The steps of a launch, in order, as the waiting page shows them."""

    QUEUED = "queued"  # waits for a place among the starts under way
    IMAGE = "image"  # the image is looked for, or pulled
    CONTAINER = "container"  # the engine creates and starts the container
    BOOTING = "booting"  # the container runs; nothing answers yet
    CHECKING = "checking"  # the site's own router answers; not yet as it should
    READY = "ready"


class Reason(StrEnum):
    EXPIRED = "expired"
    DELETED = "deleted"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    START_FAILED = "start_failed"
    NOT_READY_IN_TIME = "not_ready_in_time"
    REMOVED_BY_ADMIN = "removed_by_admin"
    REMOVED_OUTSIDE = "removed_outside"


RESERVED_ADDRESSES: Final = 16  # the subnet's first ones, for the gateway and the proxy
UNASSIGNED: Final = IPv4Address(0)  # the address of an instance that the store has not admitted

# Endings that somebody wanted, or that time brought: with any other, a launch has failed.
WANTED: Final = frozenset({Reason.EXPIRED, Reason.DELETED, Reason.REMOVED_BY_ADMIN})


@dataclass(frozen=True, slots=True)
class Instance:
    """One disposable copy of a distribution. All times are UTC."""

    id: str
    distribution: str  # slug
    owner: str  # visitor id; "" where it is not known
    state: State
    created_at: datetime
    expires_at: datetime
    lifetime: timedelta
    address: IPv4Address
    name: str | None = None
    stage: Stage = Stage.QUEUED
    detail: str | None = None  # a sentence on the ending or the stage, for people
    reason: Reason | None = None
    password: str | None = None  # made for this instance, where the distribution asks for one
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    timings: dict[str, float] = field(default_factory=dict)  # stage → seconds spent in it


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a visitor (by cookie) or the admin (by token)."""

    visitor: str
    admin: bool = False

    def may_see(self, instance: Instance) -> bool:
        return self.admin or (bool(instance.owner) and instance.owner == self.visitor)


def final_state(reason: Reason, ready_at: datetime | None) -> State:
    """`failed` for a launch that never became ready through a fault, else `gone`."""
    return State.GONE if ready_at is not None or reason in WANTED else State.FAILED


def renewed_until(instance: Instance, now: datetime, max_lifetime: timedelta) -> datetime:
    """The end that a renewal at `now` gives: a whole lifetime again, within the maximum."""
    latest = (instance.ready_at or instance.created_at) + max_lifetime
    return max(instance.expires_at, min(now + instance.lifetime, latest))


def next_address(
    first: IPv4Address, last: IPv4Address, previous: IPv4Address | None, in_use: set[IPv4Address]
) -> IPv4Address | None:
    """Next-fit: the first free address after `previous`, so that none is reused soon.

    A stale route to an address that was handed out again would show one visitor another's site.
    None where all are in use.
    """
    size = int(last) - int(first) + 1
    start = int(previous) - int(first) + 1 if previous and first <= previous <= last else 0
    for step in range(size):
        candidate = first + (start + step) % size
        if candidate not in in_use:
            return candidate
    return None
