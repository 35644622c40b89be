"""The engine is killed, frozen, cut off and deaf: sites go on, launches wait, nothing is lost."""

import time

import pytest

from orchestrator.domain.naming import container_name

from .proxy import Cut, Delay, Silent, Truncate
from .service import STACK, eventually, image_of, page
from .stand import Stand

REMEMBERED = 256  # events; the engine forgets those before


@pytest.mark.parametrize("live_restore", [False, True])
def test_dockerd_is_killed_and_started_again(scene: Stand, live_restore: bool) -> None:
    site = scene.launch()
    with scene.promises.watch.out_of_order():
        scene.engine.kill()
        assert page(site["url"]).status_code == 200  # running sites are untouched
        scene.refused()
        scene.engine.start(live_restore=live_restore)
    if live_restore:
        scene.promises.settle()
        assert scene.show(site["id"])["state"] == "ready"
        assert page(site["url"]).status_code == 200
    else:  # it has ended them itself
        assert scene.until(site["id"], "gone")["reason"] == "crashed"
    eventually(scene.service.ready, "launches work again")
    scene.launch()


def test_a_launch_under_way_goes_on_with_the_next_dockerd(scene: Stand) -> None:
    asked = [scene.ask("slow").json()["id"] for _ in range(2)]
    scene.restart_engine()
    for instance_id in asked:
        told = scene.until(instance_id, "ready", "gone", "failed")
        # One that ran already has been ended by the engine, and says so.
        assert told["state"] == "ready" or told["reason"] == "crashed", told
    assert scene.launch()["state"] == "ready"


def test_dockerd_is_a_black_hole(scene: Stand, long: bool) -> None:
    site = scene.launch()
    with scene.promises.watch.out_of_order(), scene.engine.frozen():
        # A good answer holds for a while: what is accepted meanwhile goes on afterwards.
        eventually(lambda: scene.ask().status_code == 503, "it is known to be away", every=1)
        until = time.monotonic() + (60 if long else 10)
        while time.monotonic() < until:
            scene.refused()
            assert page(site["url"]).status_code == 200
            time.sleep(0.5)
    for instance_id in scene.accepted_since(site):
        assert scene.until(instance_id, "ready", "gone", "failed")["state"] == "ready"
    eventually(scene.service.ready, "launches work again")
    scene.launch()
    assert scene.show(site["id"])["state"] == "ready"


def test_the_event_stream_is_cut_each_second_and_then_falls_silent(
    scene: Stand, long: bool
) -> None:
    victims = [scene.launch()["id"] for _ in range(2)]
    for _ in range(30 if long else 4):
        scene.proxy.cut("GET /events")
        time.sleep(1)
    with scene.engine.client() as client:
        client.kill(container_name(STACK, victims[0]))
        assert scene.until(victims[0], "gone")["reason"] == "crashed"
        with scene.proxy.fault(Silent(), "GET /events"):
            client.kill(container_name(STACK, victims[1]))
            assert scene.until(victims[1], "gone")["reason"] == "crashed"


@pytest.mark.parametrize("fault", ["late", "by half"])
def test_a_create_that_is_answered_too_late_or_by_half_is_one_launch(
    scene: Stand, long: bool, fault: str
) -> None:
    timeout = 30 if long else 5
    with scene.proxy.fault(
        Delay(timeout + 1) if fault == "late" else Truncate(9), "POST /containers/create"
    ):
        asked = scene.ask().json()["id"]
        time.sleep(timeout + 2)
    assert scene.until(asked, "ready", "failed")["state"] == "ready"
    assert len(scene.engine.containers()) == 1


def test_a_list_that_is_cut_short_is_no_list(scene: Stand) -> None:
    site, victim = scene.launch()["id"], scene.launch()["id"]
    with scene.proxy.fault(Truncate(9), "GET /containers/json"), scene.engine.client() as client:
        lists = scene.proxy.count("GET /containers/json")
        scene.proxy.cut("GET /events")
        client.kill(container_name(STACK, victim))
        eventually(
            lambda: scene.proxy.count("GET /containers/json") > lists + 2, "it was listed again"
        )
        assert scene.show(site)["state"] == "ready"
    assert scene.until(victim, "gone")["reason"] == "crashed"
    assert scene.show(site)["state"] == "ready"


def test_a_thousand_events_of_others_hide_none_of_ours(scene: Stand) -> None:
    """The engine remembers only the last 256: what happened before is found in its list."""
    victim = scene.launch()["id"]
    with scene.engine.client() as client:
        with scene.proxy.fault(Cut(), "GET /events"):
            scene.proxy.cut("GET /events")
            client.kill(container_name(STACK, victim))
            for _ in range(1000):
                client.tag(image_of("hello"), "distros-faults/others", "1")
        newest = client.events(since=0, until=int(time.time()), decode=True)
        assert sum(1 for _ in newest) <= REMEMBERED
    assert scene.until(victim, "gone")["reason"] == "crashed"
