"""Engine, store and proxy side by side. A pure function; `reconciler.py` acts on what it finds."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ..domain.differences import Difference, Kind
from ..domain.models import ALIVE, Instance, Stage, State
from ..domain.naming import container_name
from ..engine.base import Observation
from .routes import Route

# Before these stages there may be no container yet.
_HAS_CONTAINER = frozenset({Stage.BOOTING, Stage.CHECKING, Stage.READY})
NOTHING = "nothing"
UNASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Stuck:
    """A removal that the engine did not do at once."""

    since: datetime
    error: str = ""  # the engine's, at the last try


def has_container(row: Instance) -> bool:
    return row.state in ALIVE and row.stage in _HAS_CONTAINER


def differences(
    rows: Mapping[str, Instance],
    observations: Collection[Observation],
    routes: Mapping[str, Route] | None,
    now: datetime,
    *,
    stack: str,
    stuck: Mapping[str, Stuck] | None = None,
    before: Collection[Difference] = (),
) -> tuple[Difference, ...]:
    """What does not agree.

    `rows` are those that live and those of every container listed, by id; `routes` by the
    container's name, None where the proxy could not be asked. What was found `before` keeps its
    `since`.
    """
    since = {known.key: known.since for known in before}
    comparison = _Comparison(rows, observations, routes, now, stack, stuck or {})
    return tuple(
        replace(found, since=min(since.get(found.key, now), found.since))
        for found in comparison.found()
    )


class _Comparison:
    def __init__(
        self,
        rows: Mapping[str, Instance],
        observations: Iterable[Observation],
        routes: Mapping[str, Route] | None,
        now: datetime,
        stack: str,
        stuck: Mapping[str, Stuck],
    ) -> None:
        self._rows = rows
        self._routes = routes
        self._now = now
        self._stack = stack
        self._stuck = stuck
        self._containers: defaultdict[str, list[Observation]] = defaultdict(list)
        for observation in observations:
            self._containers[observation.instance_id].append(observation)

    def found(self) -> Iterator[Difference]:
        for instance_id, containers in self._containers.items():
            if row := self._rows.get(instance_id):
                yield from self._with_row(row, containers)
            else:
                yield from map(self._without_row, containers)
        for row in self._rows.values():
            if row.id not in self._containers:
                yield from self._without_container(row)
        yield from self._stray_routes()

    def _with_row(self, row: Instance, containers: Collection[Observation]) -> Iterator[Difference]:
        """The instance's own container is told by its name, else by its address."""
        own = sorted(
            (each for each in containers if each.whole),
            key=lambda each: (not self._has_its_name(each), each.address != row.address),
        )
        if own:
            yield from self._of_instance(row, own[0])
        else:
            yield from self._without_container(row)
        yield from (self._of(Kind.CLONE, each, row) for each in own[1:])
        yield from (
            self._of(Kind.UNKNOWN_CONTAINER, each, row) for each in containers if not each.whole
        )

    def _has_its_name(self, container: Observation) -> bool:
        return container.name == container_name(self._stack, container.instance_id)

    def _without_row(self, container: Observation) -> Difference:
        adoptable = container.whole and self._has_its_name(container)
        return self._of(Kind.NO_ROW if adoptable else Kind.UNKNOWN_CONTAINER, container)

    def _of_instance(self, row: Instance, container: Observation) -> Iterator[Difference]:
        if row.state is State.STOPPING:
            yield from self._stuck_removal(row, container)
        elif row.state.ended:
            stuck = self._stuck.get(row.id)
            yield self._of(Kind.LEFTOVER, container, row, detail=stuck.error if stuck else "")
        elif container.ended:
            yield self._of(Kind.ENDED_CONTAINER, container, row)
        else:
            if not self._has_its_name(container):
                yield self._of(Kind.RENAMED, container, row)
            if container.paused:
                yield self._of(Kind.PAUSED, container, row)
            elif row.state is State.READY and container.running and self._routes is not None:
                yield from self._route_of(row, container, self._routes.get(self._route_name(row)))

    def _route_of(
        self, row: Instance, container: Observation, route: Route | None
    ) -> Iterator[Difference]:
        if route is None:
            yield self._of(Kind.ROUTE_MISSING, container, row)
        elif not route.enabled:
            yield self._of(Kind.ROUTE_REFUSED, container, row, detail=route.error)

    def _without_container(self, row: Instance) -> Iterator[Difference]:
        if has_container(row):
            yield self._of(Kind.NO_CONTAINER, None, row)
        elif row.state is State.STOPPING:
            yield from self._stuck_removal(row, None)

    def _stuck_removal(self, row: Instance, container: Observation | None) -> Iterator[Difference]:
        if stuck := self._stuck.get(row.id):
            found = self._of(Kind.REMOVAL_STUCK, container, row, detail=stuck.error)
            yield replace(found, since=stuck.since)

    def _stray_routes(self) -> Iterator[Difference]:
        live = {self._route_name(row) for row in self._rows.values() if not row.state.ended}
        live |= {container_name(self._stack, instance_id) for instance_id in self._containers}
        for route in (self._routes or {}).values():
            if route.name not in live:
                instance_id = route.name.removeprefix(f"{self._stack}-")
                row = self._rows.get(instance_id)
                yield Difference(
                    kind=Kind.STRAY_ROUTE,
                    instance_id=instance_id if row else "",
                    container=route.name,
                    engine=NOTHING,
                    store=row.state if row else NOTHING,
                    proxy=route.says,
                    since=self._now,
                    detail=route.error,
                )

    def _route_name(self, row: Instance) -> str:
        """The router's key, which is in the labels and stays whatever the container is called."""
        return container_name(self._stack, row.id)

    def _of(
        self,
        kind: Kind,
        container: Observation | None,
        row: Instance | None = None,
        detail: str = "",
    ) -> Difference:
        instance_id = row.id if row else container.instance_id if container else ""
        return Difference(
            kind=kind,
            instance_id=instance_id,
            container=container.name if container else "",
            engine=_engine_says(container),
            store=row.state if row else NOTHING,
            proxy=self._proxy_says(instance_id),
            since=self._now,
            detail=detail,
            container_id=container.container_id if container else "",
        )

    def _proxy_says(self, instance_id: str) -> str:
        if self._routes is None:
            return UNASKED
        route = self._routes.get(container_name(self._stack, instance_id))
        return route.says if route else NOTHING


def _engine_says(container: Observation | None) -> str:
    if container is None:
        return NOTHING
    if container.ended:
        return "stopped"
    if container.paused:
        return "paused"
    return "running" if container.running else "created"
