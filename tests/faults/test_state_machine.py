"""Whatever happens, in whatever order: the promises hold after each step.

Hypothesis tells stories of launches, claims, renewals, deletions, expiries, crashes, restarts and
outages. After each step P1, P4 and P7 must hold, and as soon as the engine is there and things have
settled, P2, P3 and P5 too. The same stories are told in memory and on a real engine.
"""

import gc
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator import failpoints

from .rows import LIVE, Row
from .stand import Stand
from .worlds import VISITORS, InMemory, OnTheStand, Story, hurry

LATE = timedelta(seconds=2)
RUSH = 5  # launches at once: more than there are places
NOBODY = "2" * 12  # could be an id, and is none
BY_ANYBODY = st.sampled_from(VISITORS)
# The others are reached only by a database that was lost, or a pull (see test_kills.py).
POINTS = st.sampled_from(
    [
        name
        for name in failpoints.POINTS
        if name.split(".")[0] in {"launch", "claim", "renew", "end"}
    ]
)


class Stories(RuleBasedStateMachine):
    """`world` is set by a subclass."""

    steps = 0
    settles_within = 20.0  # seconds
    make_world: Callable[[], Story]

    launched = Bundle("launched")  # (visitor, id)

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()
        self.owners: dict[str, str] = {}
        self.renewed: dict[str, Any] = {}

    # -- what happens ----------------------------------------------------------------------------

    @rule(target=launched, visitor=BY_ANYBODY, times=st.sampled_from([1, 1, RUSH]))
    def launch(self, visitor: str, times: int) -> Any:
        """From the pool, where it has one. A launch that is refused is told on as the id of no
        site: a story must not depend on how fast the service is."""
        ids = [self.world.launch(visitor) or NOBODY for _ in range(times)]
        owner = self.world.owner(visitor)
        accepted = {instance_id: owner for instance_id in ids if instance_id != NOBODY}
        assert not accepted.keys() & self.owners.keys(), f"P4: {accepted}"
        self.owners |= accepted
        return multiple(*((visitor, instance_id) for instance_id in ids))

    @rule(site=launched)
    def renew(self, site: tuple[str, str]) -> None:
        if (until := self.world.renew(*site)) is not None:
            self.renewed[site[1]] = until

    @rule(site=consumes(launched))
    def delete(self, site: tuple[str, str]) -> None:
        self.world.delete(*site)

    @rule()
    def time_passes(self) -> None:
        self.world.pass_time()

    @precondition(lambda self: self.world.engine_here)
    @rule(site=consumes(launched))
    def a_site_crashes(self, site: tuple[str, str]) -> None:
        if self.world.containers().get(site[1]):
            self.world.crash(site[1])

    @precondition(lambda self: self.world.engine_here)
    @rule(site=consumes(launched))
    def somebody_removes_a_site(self, site: tuple[str, str]) -> None:
        if site[1] in self.world.containers():
            self.world.remove_outside(site[1])

    @rule()
    def the_service_is_restarted(self) -> None:
        self.world.restart()

    @rule(point=POINTS)
    def the_service_will_be_killed(self, point: str) -> None:
        self.world.kill(point)

    @precondition(lambda self: self.world.engine_here)
    @rule()
    def the_engine_leaves(self) -> None:
        self.world.lose_engine()

    @precondition(lambda self: not self.world.engine_here)
    @rule()
    def the_engine_is_back(self) -> None:
        self.world.find_engine()

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self) -> None:
        type(self).steps += 1
        rows = self.settled() if self.world.engine_here else self.world.rows()
        for row in rows.values():
            assert row.owner in {"", self.owners.get(row.id, row.owner)}, f"P4: {row}"
            if row.id in self.renewed and (row.state in LIVE or row.reason == "expired"):
                assert row.expires_at >= self.renewed[row.id], f"P7: {row}"
            if row.state == "failed":
                assert row.reason and row.detail, f"P5: {row}"
        assert not self.owners.keys() - rows.keys(), "P5: accepted, and nobody knows of it"

    def settled(self) -> dict[str, Row]:
        """The rows, once nothing is on its way (P3, P5), and nothing is overdue (P2)."""
        give_up = time.monotonic() + self.settles_within
        while True:
            self.world.wait()
            rows, containers = self.world.rows(), self.world.containers()
            assert len(containers) <= self.world.capacity, f"P1: {containers}"
            if not (unsettled := self.unsettled(rows, containers)):
                return rows
            assert time.monotonic() < give_up, f"P2, P3 or P5: {unsettled}"

    def unsettled(self, rows: dict[str, Row], containers: dict[str, bool]) -> list[str]:
        placed = [row for row in rows.values() if row.placed]
        full = len(placed) >= self.world.capacity and not any(row.pooled for row in placed)
        ready = {row.id for row in placed if row.state == "ready"}
        found = [f"{row.id} is {row.state}" for row in placed if row.state != "ready"]
        found += [f"{row.id} waits" for row in rows.values() if row.state == "queued" and not full]
        found += [f"{id_} has no row" for id_ in containers.keys() - ready]
        found += [f"{id_} does not run" for id_ in ready if not containers.get(id_)]
        overdue = self.world.now() - LATE
        return found + [f"{row.id} is overdue" for row in placed if row.expires_at < overdue]

    def teardown(self) -> None:
        self.world.close()


def tell(stories: type[Stories], *, examples: int, steps: int) -> None:
    """Always the same stories, so that what fails here fails everywhere."""
    run_state_machine_as_test(
        stories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"\n{stories.steps} steps")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_story_breaks_a_promise(long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    with tempfile.TemporaryDirectory(prefix="distros-stories-") as name:

        class InMemoryStories(Stories):
            @staticmethod
            def make_world() -> Story:
                return InMemory(Path(tempfile.mkdtemp(dir=name)))

        tell(InMemoryStories, examples=200 if long else 8, steps=60 if long else 40)
        assert InMemoryStories.steps >= (10_000 if long else 200)
    gc.collect()  # what a process that is killed leaves open is nobody else's warning


def test_no_story_breaks_a_promise_on_a_real_engine(scene: Stand, long: bool) -> None:
    class RealStories(Stories):
        settles_within = 60.0

        @staticmethod
        def make_world() -> Story:
            return OnTheStand(scene)

    tell(RealStories, examples=2 if long else 1, steps=40 if long else 12)
    assert RealStories.steps >= (50 if long else 12)
