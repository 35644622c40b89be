"""The service is killed, at every point where it matters: what it had begun is finished or taken
back by the next one, and nothing is left."""

import signal
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import partial

import httpx
import pytest

from orchestrator import failpoints

from .proxy import Refuse
from .service import eventually
from .stand import Stand

ROUNDS = 4  # in the long form: more than a hundred kills in all
NO_IMAGE = Refuse(404, "No such image")
POOL = {"DISTROS_POOLS": "spare=1", "DISTROS_POOL_LIMIT": "1"}

killed: list[str] = []


def points(group: str) -> list[str]:
    return [name for name in failpoints.POINTS if name.startswith(f"{group}.")]


@pytest.fixture
def rounds(long: bool) -> range:
    return range(ROUNDS if long else 1)


def kill_at(scene: Stand, point: str, deed: Callable[[], object], **settings: str) -> None:
    """The service comes to `point` and dies; the next one starts, and all is settled."""
    with scene.promises.watch.out_of_order():
        with suppress(RuntimeError, httpx.HTTPError):  # it may die before it has answered
            if scene.service.runs and scene.service.given == settings:
                scene.service.arm(point)
            else:
                scene.service.terminate()
                scene.service.start(**settings, **{failpoints.VARIABLE: point})
            deed()
        eventually(lambda: not scene.service.runs, f"{point} is reached")
        assert scene.service.died() == -signal.SIGKILL
        scene.service.start(**settings)
    killed.append(point)
    scene.promises.settle()


def launch(scene: Stand, slug: str, key: str) -> None:
    with ExitStack() as faults:
        if slug == "fetched":  # the engine has lost the image, and can have it again
            faults.enter_context(scene.proxy.fault(NO_IMAGE, "GET /images/"))
            faults.enter_context(scene.proxy.fault(Refuse(200), "POST /images/create"))
        scene.ask(slug, wait=30, key=key)


def change_rows(scene: Stand, statement: str, *values: object) -> None:
    """Past the service, which is killed for it."""
    scene.service.kill()
    with closing(sqlite3.connect(scene.service.database)) as connection, connection:
        connection.execute(statement, values)


def test_a_launch_that_was_accepted_becomes_ready(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("launch"):
            key = str(uuid.uuid4())
            slug = "fetched" if point == "launch.fetched" else "hello"

            kill_at(scene, point, partial(launch, scene, slug, key))
            again = scene.ask(slug, wait=30, key=key)
            assert again.status_code == 201, again.text
            assert len(scene.engine.containers()) == 1
            scene.delete(again.json()["id"])


def test_the_pool_is_filled_and_not_more(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("pool"):
            kill_at(scene, point, lambda: scene.service.died(), **POOL)
            eventually(lambda: len(scene.engine.containers()) == 1, "a pool of one")
            empty_pool(scene)


def test_a_claim_is_the_visitor_s_or_was_not_made(scene: Stand, rounds: range) -> None:
    scene.restart_service(**POOL)
    for _ in rounds:
        for point in points("claim"):
            eventually(lambda: scene.pooled() == 1, "a pool of one")
            key = str(uuid.uuid4())
            kill_at(scene, point, partial(scene.ask, "spare", wait=30, key=key), **POOL)
            again = scene.ask("spare", wait=30, key=key)
            assert again.status_code == 201, again.text
            scene.delete(again.json()["id"])
    empty_pool(scene)


def test_a_renewal_that_was_confirmed_is_kept(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("renew"):
            instance_id = scene.launch(lifetime=60)["id"]
            scene.renew(instance_id)
            kill_at(scene, point, partial(scene.renew, instance_id))
            assert scene.show(instance_id)["state"] == "ready"
            scene.delete(instance_id)


def test_a_lease_that_is_over_ends_with_the_next_service(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("expire"):
            instance_id = scene.launch(lifetime=10)["id"]
            kill_at(scene, point, lambda: scene.service.died(within=15))
            assert scene.until(instance_id, "gone")["reason"] == "expired"


def test_a_deletion_is_finished_or_was_never_begun(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("delete") + points("end"):
            instance_id = scene.launch()["id"]
            kill_at(scene, point, partial(scene.delete, instance_id))
            wanted = "ready" if point == "delete.deciding" else "gone"
            assert scene.show(instance_id)["state"] == wanted
            scene.delete(instance_id)


def test_a_launch_that_was_cancelled_in_the_queue_stays_so(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("cancel"):
            first = scene.launch()["id"]

            def cancel() -> None:
                scene.delete(scene.ask().json()["id"])

            kill_at(scene, point, cancel, DISTROS_CAPACITY="1")
            scene.delete(first)
            assert scene.promises.settle()[scene.promises.accepted[-1]].reason == "deleted"
    scene.restart_service()  # with all its places


def test_a_container_whose_row_has_ended_is_removed(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("discard"):
            instance_id = scene.launch()["id"]
            change_rows(
                scene,
                "UPDATE instances SET state = 'gone', reason = 'deleted', ended_at = created_at"
                " WHERE id = ?",
                instance_id,
            )
            kill_at(scene, point, lambda: scene.service.died())
            assert scene.engine.containers() == []


def test_a_container_without_a_row_is_adopted(scene: Stand, rounds: range) -> None:
    for _ in rounds:
        for point in points("adopt"):
            instance_id = scene.launch()["id"]
            change_rows(scene, "DELETE FROM instances WHERE id = ?", instance_id)
            kill_at(scene, point, lambda: scene.service.died())
            assert scene.show(instance_id)["state"] == "ready"
            scene.delete(instance_id)


def test_that_was_every_point(long: bool) -> None:
    print(f"\n{len(killed)} kills at {len(set(killed))} points")
    assert set(killed) == failpoints.POINTS.keys()
    assert len(killed) >= (100 if long else len(failpoints.POINTS))


def empty_pool(scene: Stand) -> None:
    """Without a pool, the next service ends what is in it."""
    scene.restart_service()
    eventually(lambda: scene.pooled() == 0, "no pool")
    scene.promises.settle()
