"""What has been measured: how long starts take, and how often launches are asked for.

Kept in memory, and read from the store at the start, so that a restart forgets nothing.
"""

from collections import defaultdict, deque
from datetime import datetime, timedelta
from functools import partial

from ..domain.measures import Startup, Timings, startup
from ..domain.models import Instance, Stage, State
from .ledger import Ledger

SAMPLE = 50  # latest starts of each distribution that count
MEASURED = 1_000  # starts that are read from the store
WINDOW = timedelta(minutes=5)  # in which launches are counted
GUESS = 3.0  # seconds that a start takes, where none has been measured

_KEEPS_OTHERS_WAITING = frozenset({Stage.QUEUED, Stage.CONTAINER})


class Pace:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._starts: defaultdict[str, deque[Timings]] = defaultdict(partial(deque, maxlen=SAMPLE))
        self._startups: dict[str, Startup | None] = {}  # computed from _starts when asked for
        self._arrivals: defaultdict[str, deque[datetime]] = defaultdict(deque)

    async def load(self) -> None:
        for slug, timings in await self._ledger.store.measured(MEASURED):
            self._starts[slug].append(timings)
        for slug, moment in await self._ledger.store.arrivals(self._ledger.now() - WINDOW):
            self._arrivals[slug].append(moment)

    # -- starts ------------------------------------------------------------------------------

    def started(self, instance: Instance) -> None:
        """It has become ready; its timings count from now on."""
        self._starts[instance.distribution].append(instance.timings)
        self._startups.pop(instance.distribution, None)

    def startup(self, slug: str) -> Startup | None:
        """None where no start has been measured."""
        if slug not in self._startups:
            self._startups[slug] = startup(self._starts.get(slug, ()))
        return self._startups[slug]

    def usual(self, slug: str) -> float:
        """Seconds that a start takes as a rule, once it is its turn."""
        measured = self.startup(slug)
        return measured.total.p50 if measured else GUESS

    def at_worst(self, slug: str) -> float:
        """Seconds within which nine of ten starts are ready."""
        measured = self.startup(slug)
        return measured.total.p90 if measured else 2 * GUESS

    def turn(self, slug: str) -> float:
        """Seconds for which a start keeps others waiting: until its container runs."""
        measured = self.startup(slug)
        if measured is None:
            return GUESS / 2
        container = measured.stages.get(Stage.CONTAINER)
        return container.p50 if container else 0.0

    def turn_left(self, instance: Instance) -> float:
        """Of the turn of a start that is under way."""
        if instance.stage not in _KEEPS_OTHERS_WAITING:
            return 0.0
        return max(0.0, self.turn(instance.distribution) - self._spent(instance))

    def remaining(self, instance: Instance) -> tuple[float, float] | None:
        """Seconds until a launch that has its turn is ready: usually, and at worst. None where it
        takes longer than nine of ten did."""
        slug, spent = instance.distribution, self._spent(instance)
        if instance.state is not State.STARTING or spent > self.at_worst(slug):
            return None
        return max(0.0, self.usual(slug) - spent), self.at_worst(slug) - spent

    def _spent(self, instance: Instance) -> float:
        """Seconds since its start's turn began."""
        spent = (self._ledger.now() - instance.created_at).total_seconds()
        return spent - instance.timings.get(Stage.QUEUED, 0.0)

    # -- arrivals ----------------------------------------------------------------------------

    def arrived(self, slug: str) -> None:
        """A launch was asked for, and admitted."""
        self._recent(slug).append(self._ledger.now())

    def rate(self, slug: str) -> float:
        """Launches a second, lately."""
        return len(self._recent(slug)) / WINDOW.total_seconds()

    def _recent(self, slug: str) -> deque[datetime]:
        arrivals, now = self._arrivals[slug], self._ledger.now()
        if arrivals and arrivals[-1] > now:  # the clock was set back
            arrivals.clear()
        while arrivals and arrivals[0] < now - WINDOW:
            arrivals.popleft()
        return arrivals
