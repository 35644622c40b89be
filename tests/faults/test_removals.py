"""A container that cannot be removed keeps its place, and is removed in the end."""

import time

import pytest

from .proxy import Fault, Refuse, Silent
from .service import page
from .stand import CAPACITY, Stand

FAULTS = {
    "409": Refuse(409, "removal of container is already in progress"),
    "500": Refuse(500, "driver failed to remove root filesystem: device or resource busy"),
    "hangs": Silent(),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_removal_that_fails_is_tried_until_it_succeeds(
    scene: Stand, fault: Fault, long: bool
) -> None:
    site = scene.launch()
    with scene.promises.watch.out_of_order(), scene.proxy.fault(fault, r"^DELETE /containers/"):
        scene.delete(site["id"])
        time.sleep(20 if long else 2)
        assert scene.show(site["id"])["state"] == "stopping"
        assert len(scene.engine.containers()) == 1
        assert scene.launch()["state"] == "ready"  # others are not held up
    told = scene.until(site["id"], "gone")
    assert told["reason"] == "deleted"
    assert page(site["url"]).status_code == 410


def test_a_full_house_that_was_due_meanwhile_is_gone_at_once_when_the_service_is_back(
    scene: Stand,
) -> None:
    asked = [scene.ask(lifetime=10).json()["id"] for _ in range(CAPACITY)]
    for instance_id in asked:
        scene.until(instance_id, "ready")
    with scene.promises.watch.out_of_order():
        scene.service.terminate()
        time.sleep(11)
        scene.service.start()
    for instance_id in asked:
        assert scene.until(instance_id, "gone")["reason"] == "expired"
