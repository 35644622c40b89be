"""The promises of docs/reliability.md, looked at from outside: the engine, the database's file and
the process itself, never what the service says of itself.

A `Watch` looks at engine and database five times a second, for what must hold at every moment (P1,
P2, P4). `Promises.check` waits until things have settled, at most a minute, for what must hold in
the end (P3, P5, P6, P7).
"""

import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import docker.errors
import requests

from orchestrator.domain.naming import LABEL_INSTANCE, LABEL_STACK, container_name

from .engine import OwnEngine
from .proxy import FaultProxy
from .rows import Row, read_rows
from .service import STACK, Service

LOOK: Final = 0.2  # seconds between two looks
LATE: Final = timedelta(seconds=2)  # P2
SETTLED: Final = 60.0  # seconds; P3: "within a minute"
# More than at the start, of descriptors and threads, is a leak beyond this: calls to the engine run
# in up to eight threads with a connection each, and asyncio has a few of its own.
SLACK: Final = 24

AWAY = (docker.errors.DockerException, requests.RequestException, sqlite3.Error, OSError)


@dataclass
class Watch:
    """What was seen of each instance, from the first look to the last."""

    engine: OwnEngine
    service: Service
    most: list[dict[str, Any]] = field(default_factory=list)  # containers at once; without nudges
    last_seen: dict[str, datetime] = field(default_factory=dict)  # its container
    owners: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    away: list[tuple[datetime, datetime]] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        threads = [threading.Thread(target=self._repeat, args=(look,)) for look in self._looks()]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def out_of_order(self) -> Iterator[None]:
        """While the block lasts the service cannot act: what is due then is due at its end."""
        since = datetime.now(UTC)
        try:
            yield
        finally:
            self.away.append((since, datetime.now(UTC)))

    def due(self, expires_at: datetime) -> datetime:
        """When it must have gone at the latest."""
        due = expires_at
        for since, until in sorted(self.away):
            if since - LATE <= due <= until:
                due = until
        return due + LATE

    def _looks(self) -> tuple[Any, Any]:
        return self._look_at_engine, self._look_at_database

    def _repeat(self, look: Any) -> None:
        while not self._ending.wait(LOOK):
            try:
                look()
            except AWAY:
                continue

    def _look_at_engine(self) -> None:
        filters = {"label": f"{LABEL_STACK}={STACK}"}
        started = datetime.now(UTC)
        with self.engine.client(timeout=5) as client:
            found = client.containers(all=True, filters=filters)
        instances = [each for each in found if LABEL_INSTANCE in each["Labels"]]
        self.most = max(self.most, instances, key=len)
        for container in instances:
            self.last_seen[container["Labels"][LABEL_INSTANCE]] = started

    def _look_at_database(self) -> None:
        for row in read_rows(self.service.database, live=True).values():
            seen = self.owners[row.id]
            if row.owner and row.owner not in seen:
                seen.append(row.owner)


@dataclass
class Promises:
    """`accepted` and `renewed` are what the service has told its callers; `descriptors` and
    `threads`, what its process had open once it was warm."""

    engine: OwnEngine
    proxy: FaultProxy
    service: Service
    watch: Watch
    capacity: int
    accepted: list[str] = field(default_factory=list)
    renewed: dict[str, datetime] = field(default_factory=dict)
    descriptors: int = 0
    threads: int = 0

    def check(self) -> None:
        rows = self.settle()
        self._capacity_is_kept()
        self._nothing_outlives_its_deadline(rows)
        self._nobody_gets_anothers()
        self._every_launch_has_come_to_an_end(rows)
        self._nothing_is_left_behind()
        self._renewals_are_kept(rows)

    def settle(self) -> dict[str, Row]:
        """P3: every row has its container and every container its row; nothing is on its way."""
        give_up = time.monotonic() + SETTLED
        difference = ["nothing could be read"]
        while difference:
            assert time.monotonic() < give_up, f"P3, not within {SETTLED:g} s: {difference}"
            time.sleep(LOOK)
            try:
                rows, difference = self._compare()
            except AWAY as error:
                difference = [f"cannot look: {error}"]
        return rows

    def _compare(self) -> tuple[dict[str, Row], list[str]]:
        filters = {"label": f"{LABEL_STACK}={STACK}"}
        with self.engine.client(timeout=5) as client:
            found = client.containers(all=True, filters=filters)
        rows = read_rows(self.service.database)
        names = Counter(container["Labels"].get(LABEL_INSTANCE) for container in found)
        running = {
            container["Labels"].get(LABEL_INSTANCE)
            for container in found
            if container["State"] == "running"
        }
        ready = {row.id for row in rows.values() if row.state == "ready"}
        under_way = {row.id: row.state for row in rows.values() if row.placed} | {
            row.id: row.state for row in rows.values() if row.state == "queued"
        }
        difference = [f"{id_} is {state}" for id_, state in under_way.items() if state != "ready"]
        difference += [f"{id_} has {count} containers" for id_, count in names.items() if count > 1]
        difference += [f"the container of {id_} has no row" for id_ in names.keys() - ready]
        difference += [f"{id_} is ready and does not run" for id_ in ready - running]
        return rows, difference

    def _capacity_is_kept(self) -> None:
        most = self.watch.most
        seen = [(each["Names"], each["State"], each["Labels"][LABEL_INSTANCE]) for each in most]
        assert len(most) <= self.capacity, f"P1: {len(most)} containers at once: {seen}"

    def _nothing_outlives_its_deadline(self, rows: dict[str, Row]) -> None:
        for row in rows.values():
            seen = self.watch.last_seen.get(row.id)
            if seen is not None and row.reason == "expired":
                late = seen - self.watch.due(row.expires_at)
                assert late <= timedelta(), f"P2: {row.id} was there {late} too long"
            if row.state == "ready":
                late = datetime.now(UTC) - self.watch.due(row.expires_at)
                assert late <= timedelta(), f"P2: {row.id} should have ended {late} ago"

    def _nobody_gets_anothers(self) -> None:
        shared = {id_: owners for id_, owners in self.watch.owners.items() if len(owners) > 1}
        assert not shared, f"P4: {shared}"

    def _every_launch_has_come_to_an_end(self, rows: dict[str, Row]) -> None:
        for instance_id in self.accepted:
            row = rows.get(instance_id)
            assert row is not None, f"P5: {instance_id} was accepted, and nobody knows of it"
            if row.state == "failed":
                assert row.reason and row.detail, f"P5: {instance_id} failed without a reason"
        created = Counter(
            call.query.partition("name=")[2]
            for call in self.proxy.calls.copy()
            if call.what == "POST /containers/create" and call.status == 201
        )
        # One that could not be started (its address was taken) has not run.
        failed = sum(
            call.what.endswith("/start") and (call.status or 0) >= 400
            for call in self.proxy.calls.copy()
        )
        times = {id_: created[container_name(STACK, id_)] for id_ in self.accepted}
        again = {id_: count for id_, count in times.items() if count > 1}
        assert sum(again.values()) - len(again) <= failed, f"P5: {again} were run twice"

    def _nothing_is_left_behind(self) -> None:
        with self.engine.client() as client:
            volumes = client.volumes()["Volumes"] or []
            networks = [each["Name"] for each in client.networks() if each["Driver"] == "bridge"]
        assert (volumes, networks) == ([], [STACK]), "P6"
        for what, before, now in (
            ("descriptors", self.descriptors, self.service.descriptors),
            ("threads", self.threads, self.service.threads),
        ):
            give_up = time.monotonic() + 10
            while (level := now()) > before + SLACK:
                assert time.monotonic() < give_up, f"P6: {level} {what}, {before} at the start"
                time.sleep(LOOK)

    def _renewals_are_kept(self, rows: dict[str, Row]) -> None:
        for instance_id, until in self.renewed.items():
            row = rows[instance_id]
            assert row.expires_at >= until, f"P7: {instance_id} was renewed until {until}"
            if row.reason == "expired":
                assert row.ended_at and row.ended_at >= until, f"P7: {instance_id} ended early"
