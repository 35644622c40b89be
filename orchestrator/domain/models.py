"""Instances: their states, stages and endings.

`queued → starting → ready → stopping → gone`, or `failed` for a launch that never became ready
through a fault. Every ending has a typed reason.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Final

from .safeguards import Scope


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
LIVE: Final = ALIVE | {State.STOPPING}
PLACED: Final = LIVE - {State.QUEUED}  # what holds a place: stopping counts until confirmed
LEASED: Final = ALIVE - {State.QUEUED}  # what expires: waiting for a turn costs no time
ENDED: Final = frozenset({State.GONE, State.FAILED})


class Stage(StrEnum):
    """The steps of a launch, in order, as the waiting page shows them."""

    QUEUED = "queued"  # waits for a place, or for a turn among the starts under way
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


UNASSIGNED: Final = IPv4Address(0)  # the address of an instance that has no place yet

VISITOR: Final = "v-"  # with which the owners begin who have a cookie
ADMIN: Final = "admin"  # the owner of what the admin's token launches
PROGRAMS: Final = (ADMIN, "token:")  # with which the owners begin who need not ask again and again
SYNTHETIC: Final = "synthetic"  # the owner of what the service launches to try itself

# Endings that somebody wanted, or that time brought: with any other, a launch has failed.
WANTED: Final = frozenset({Reason.EXPIRED, Reason.DELETED, Reason.REMOVED_BY_ADMIN})


@dataclass(frozen=True, slots=True)
class Instance:
    """One disposable copy of a distribution. All times are UTC."""

    id: str
    distribution: str  # slug
    owner: str  # visitor id; "" in the pool, and where it is not known
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
    pooled: bool = False  # nobody's yet: the first who asks gets it
    fingerprint: str | None = None  # of the distribution and image that it was started from

    @property
    def by_visitor(self) -> bool:
        """Whether its owner is one, and neither a program nor the service itself."""
        return self.owner.startswith(VISITOR)


@dataclass(frozen=True, slots=True)
class Claim:
    """What makes an instance of the pool somebody's."""

    owner: str
    name: str | None
    lifetime: timedelta
    now: datetime
    expires_at: datetime
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a visitor (by cookie) or the admin (by token), and from where.

    `address` and `network` are keyed hashes of what `limits.address_of` and `network_of` say; ""
    where nobody knows.
    """

    visitor: str
    admin: bool = False
    scope: Scope | None = None  # of the token; None for a visitor
    address: str = ""
    network: str = ""

    @property
    def sees_all(self) -> bool:
        return self.admin or self.scope is Scope.READ

    def may_see(self, instance: Instance) -> bool:
        return self.sees_all or (bool(instance.owner) and instance.owner == self.visitor)


def final_state(reason: Reason, ready_at: datetime | None) -> State:
    """`failed` for a launch that never became ready through a fault, else `gone`."""
    return State.GONE if ready_at is not None or reason in WANTED else State.FAILED


def renewable_until(instance: Instance, max_lifetime: timedelta) -> datetime:
    """The end that no renewal gets past."""
    return (instance.ready_at or instance.created_at) + max_lifetime


def renewed_until(instance: Instance, now: datetime, max_lifetime: timedelta) -> datetime:
    """The end that a renewal at `now` gives: a whole lifetime again, within the maximum."""
    latest = renewable_until(instance, max_lifetime)
    return max(instance.expires_at, min(now + instance.lifetime, latest))
