"""What the comparison of engine, store and proxy finds; a pure function."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest

from orchestrator.domain.differences import REASONS, REPAIRS, Difference, Kind
from orchestrator.domain.models import Instance, Stage, State
from orchestrator.engine.base import Observation
from orchestrator.service.comparison import Stuck, differences
from orchestrator.service.routes import Route

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ID = "abcdefghijkm"
NAME = f"distros-{ID}"
ROW = Instance(
    id=ID,
    distribution="wiki",
    owner="anna",
    state=State.READY,
    stage=Stage.READY,
    created_at=NOW,
    ready_at=NOW,
    expires_at=NOW + timedelta(minutes=40),
    lifetime=timedelta(minutes=40),
    address=IPv4Address("10.99.0.16"),
)
RUNS = Observation(
    instance_id=ID,
    distribution="wiki",
    running=True,
    exit_code=None,
    out_of_memory=False,
    created_at=NOW,
    expires_at=ROW.expires_at,
    address=ROW.address,
    name=NAME,
    container_id="c1",
)
CLONE = replace(RUNS, name="by-hand", container_id="c2", address=None)
ROUTE = {NAME: Route(NAME)}


def compare(
    row: Instance | None,
    *containers: Observation,
    routes: dict[str, Route] | None = ROUTE,
    now: datetime = NOW,
    **more: object,
) -> tuple[Difference, ...]:
    rows = {row.id: row} if row else {}
    return differences(rows, containers, routes, now, stack="distros", **more)  # type: ignore[arg-type]


def kinds(found: tuple[Difference, ...]) -> list[Kind]:
    return [each.kind for each in found]


def test_where_all_agree_nothing_is_found() -> None:
    assert compare(ROW, RUNS) == ()
    assert compare(None, routes={}) == ()
    starting = replace(ROW, state=State.STARTING, stage=Stage.CONTAINER)
    assert compare(starting, routes={}) == ()
    assert compare(starting, RUNS, routes={}) == ()


def test_each_of_the_three_is_told() -> None:
    assert compare(ROW, replace(RUNS, paused=True), routes={}) == (
        Difference(
            kind=Kind.PAUSED,
            instance_id=ID,
            container=NAME,
            engine="paused",
            store="ready",
            proxy="nothing",
            since=NOW,
            container_id="c1",
        ),
    )


def test_a_container_without_a_row_is_adopted_only_if_labels_and_name_are_whole() -> None:
    assert kinds(compare(None, RUNS)) == [Kind.NO_ROW]
    assert kinds(compare(None, replace(RUNS, whole=False))) == [Kind.UNKNOWN_CONTAINER]
    assert kinds(compare(None, replace(RUNS, name="by-hand"))) == [Kind.UNKNOWN_CONTAINER]
    assert kinds(compare(None, replace(RUNS, instance_id="", whole=False), routes={})) == [
        Kind.UNKNOWN_CONTAINER
    ]


def test_a_second_container_of_an_instance_is_a_clone_whichever_is_listed_first() -> None:
    for containers in ((RUNS, CLONE), (CLONE, RUNS)):
        (found,) = compare(ROW, *containers)
        assert (found.kind, found.container_id) == (Kind.CLONE, "c2")


def test_of_two_strange_names_the_one_at_the_instances_address_is_its_own() -> None:
    renamed = replace(RUNS, name="renamed")
    found = {each.container_id: each.kind for each in compare(ROW, CLONE, renamed)}
    assert found == {"c1": Kind.RENAMED, "c2": Kind.CLONE}


def test_what_cannot_say_whose_it_is_never_stands_for_an_instance() -> None:
    found = compare(ROW, replace(CLONE, whole=False))
    assert kinds(found) == [Kind.NO_CONTAINER, Kind.UNKNOWN_CONTAINER]


def test_a_row_without_a_container_is_found_once_it_should_have_one() -> None:
    assert kinds(compare(ROW)) == [Kind.NO_CONTAINER]
    booting = replace(ROW, state=State.STARTING, stage=Stage.BOOTING)
    assert kinds(compare(booting)) == [Kind.NO_CONTAINER]
    assert compare(replace(ROW, state=State.QUEUED, stage=Stage.QUEUED), routes={}) == ()


def test_a_container_that_has_stopped_is_found() -> None:
    stopped = replace(RUNS, running=False, exit_code=1)
    (found,) = compare(ROW, stopped)
    assert (found.kind, found.engine) == (Kind.ENDED_CONTAINER, "stopped")


def test_what_is_left_of_an_ended_instance_is_found() -> None:
    (found,) = compare(replace(ROW, state=State.GONE), RUNS)
    assert (found.kind, found.store) == (Kind.LEFTOVER, "gone")


def test_a_removal_is_stuck_once_the_engine_has_not_done_it() -> None:
    stopping = replace(ROW, state=State.STOPPING)
    assert compare(stopping, RUNS) == ()
    before = NOW - timedelta(minutes=3)
    stuck = {ID: Stuck(before, "device or resource busy")}
    (found,) = compare(stopping, RUNS, stuck=stuck)
    assert (found.kind, found.since) == (Kind.REMOVAL_STUCK, before)
    assert found.reason.endswith("yet. device or resource busy")


def test_a_renamed_container_stays_and_keeps_its_route() -> None:
    (found,) = compare(ROW, replace(RUNS, name="renamed"))
    assert (found.kind, found.proxy) == (Kind.RENAMED, "route")


def test_a_missing_and_a_refused_route_are_found_and_the_proxys_reason_told() -> None:
    assert kinds(compare(ROW, RUNS, routes={})) == [Kind.ROUTE_MISSING]
    (found,) = compare(ROW, RUNS, routes={NAME: Route(NAME, False, "no such middleware")})
    assert (found.kind, found.proxy) == (Kind.ROUTE_REFUSED, "route refused")
    assert "no such middleware" in found.reason


def test_a_route_is_missed_only_of_what_is_ready_and_runs() -> None:
    starting = replace(ROW, state=State.STARTING, stage=Stage.BOOTING)
    assert compare(starting, RUNS, routes={}) == ()
    assert kinds(compare(ROW, replace(RUNS, paused=True), routes={})) == [Kind.PAUSED]


def test_without_the_proxys_answer_routes_are_left_out() -> None:
    assert compare(ROW, RUNS, routes=None) == ()
    (found,) = compare(ROW, replace(RUNS, paused=True), routes=None)
    assert found.proxy == "not asked"


@pytest.mark.parametrize("name", ["distros-mkjihgfedcba", "shop", NAME])
def test_a_route_to_what_is_not_there_is_found(name: str) -> None:
    ended = replace(ROW, state=State.GONE)
    (found,) = compare(ended, routes={name: Route(name)})
    assert (found.kind, found.container, found.engine) == (Kind.STRAY_ROUTE, name, "nothing")
    assert found.store == ("gone" if name == NAME else "nothing")


def test_a_route_of_what_is_starting_or_stopping_is_none_too_many() -> None:
    for state in (State.STARTING, State.STOPPING):
        row = replace(ROW, state=state, stage=Stage.CONTAINER)
        assert compare(row) == ()


def test_what_was_found_before_keeps_its_beginning() -> None:
    first = compare(ROW, CLONE, RUNS)
    later = NOW + timedelta(minutes=1)
    again = compare(ROW, RUNS, CLONE, replace(CLONE, container_id="c3"), now=later, before=first)
    assert {each.container_id: each.since for each in again} == {"c2": NOW, "c3": later}


def test_every_kind_has_a_reason_and_a_repair_as_a_sentence() -> None:
    for sentences in (REASONS, REPAIRS):
        assert set(sentences) == set(Kind)
        assert all(each[0].isupper() and each.endswith(".") for each in sentences.values())
