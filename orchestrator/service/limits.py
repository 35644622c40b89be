"""Limits: launches, live instances, open streams, wrong tokens. An admin has none, and a token for
launching only those of its own, because those who have one share an address with others.

Launches and instances are counted in the store, in the transaction that admits
(`store/launches.py`). Streams (requests that wait for a launch are as good as one) and wrong tokens
are counted here, in memory: after a restart no stream is open, and who guesses starts anew.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..domain.limits import Allowance, Quota
from ..domain.limits_exceeded import TooManyAttempts, TooManyStreams
from ..domain.models import Caller

ATTEMPTS: Final = 10  # wrong tokens from one address …
ATTEMPTS_WINDOW: Final = timedelta(minutes=10)  # … within this time
REMEMBERED_ADDRESSES: Final = (
    10_000  # of whom wrong tokens came; beyond that the oldest is forgotten
)


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """0 for no limit."""

    allowance: Allowance  # of visitors
    launches_per_token: int  # within an hour, from wherever
    instances_per_token: int
    streams_per_visitor: int
    streams_per_address: int


class Limits:
    def __init__(self, policy: LimitPolicy) -> None:
        self._policy = policy
        self._streams: Counter[str] = Counter()  # by visitor and by address

    def quota(self, caller: Caller, slug: str, now: datetime) -> Quota:
        """What the store is to check, of a launch of this distribution."""
        if caller.admin:
            return Quota(caller.visitor, "", "", slug, Allowance({}, {}), now)
        allowance = self._policy.allowance
        if caller.scope is not None:
            launches, instances = self._policy.launches_per_token, self._policy.instances_per_token
            allowance = Allowance({"visitor": launches}, {"visitor": instances})
        elif not caller.address:
            allowance = Allowance(
                {"visitor": allowance.launches["visitor"]},
                {"visitor": allowance.instances["visitor"]},
            )
        return Quota(caller.visitor, caller.address, caller.network, slug, allowance, now)

    def may_stream(self, caller: Caller) -> bool:
        """Whether they may open another."""
        return not any(most and self._streams[key] >= most for key, most in self._bounds(caller))

    def require_stream(self, caller: Caller) -> None:
        """Raises TooManyStreams."""
        if not self.may_stream(caller):
            raise TooManyStreams

    @contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """While one is open."""
        keys = [key for key, _ in self._bounds(caller)]
        self._streams.update(keys)
        try:
            yield
        finally:
            self._streams.subtract(keys)
            for key in keys:
                if not self._streams[key]:
                    del self._streams[key]

    def _bounds(self, caller: Caller) -> list[tuple[str, int]]:
        if caller.admin:
            return []
        bounds = [(f"visitor {caller.visitor}", self._policy.streams_per_visitor)]
        if caller.address:
            bounds.append((f"address {caller.address}", self._policy.streams_per_address))
        return bounds


class Throttle:
    """Who has sent many wrong secrets is answered with 429 for a while.

    A page with a password asks `require` before it checks one, because that costs time and a
    password may be guessed. A bearer token cannot be guessed; there it comes after a wrong one, so
    that nobody behind the same address is shut out by a neighbour's.
    """

    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = {}  # by address, of moments (monotonic)

    def require(self, address: str) -> None:
        """Raises TooManyAttempts."""
        failures = self._failures.get(address, ())
        window = ATTEMPTS_WINDOW.total_seconds()
        since = time.monotonic() - window
        recent = [moment for moment in failures if moment > since]
        if len(recent) >= ATTEMPTS:
            raise TooManyAttempts(max(1, round(recent[0] - since)))

    def succeeded(self, address: str) -> None:
        """Whoever sends from there knows the right one."""
        self._failures.pop(address, None)

    def failed(self, address: str) -> None:
        """A wrong one came from there."""
        failures = self._failures.pop(address, deque(maxlen=ATTEMPTS))
        failures.append(time.monotonic())
        self._failures[address] = failures  # the youngest last
        if len(self._failures) > REMEMBERED_ADDRESSES:
            del self._failures[next(iter(self._failures))]
