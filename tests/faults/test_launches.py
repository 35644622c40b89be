"""A launch that cannot succeed says why, and leaves nothing."""

import pytest

from .proxy import Refuse
from .service import STACK, image_of, page
from .stand import Stand


def test_an_image_that_is_missing_is_told_at_once(scene: Stand) -> None:
    answer = scene.ask("absent")
    assert answer.status_code == 503
    assert answer.json()["code"] == "image_missing" and answer.headers["Retry-After"]


def test_an_image_that_is_lost_on_the_way_is_told(scene: Stand) -> None:
    with scene.proxy.fault(Refuse(404, "No such image"), r"^POST /containers/create"):
        told = scene.until(scene.ask().json()["id"], "failed")
    assert told["reason"] == "start_failed" and "image" in told["detail"]


@pytest.mark.parametrize(
    ("slug", "reason"), [("crashing", "crashed"), ("never-ready", "not_ready_in_time")]
)
def test_a_site_that_does_not_come_up_fails_with_its_reason(
    scene: Stand, slug: str, reason: str
) -> None:
    told = scene.until(scene.ask(slug).json()["id"], "failed")
    assert told["reason"] == reason and told["detail"]


def test_a_site_that_dies_once_it_is_ready_has_crashed(scene: Stand) -> None:
    site = scene.launch()
    page(site["url"], "/exit/3")
    told = scene.until(site["id"], "gone")
    assert (told["reason"], told["detail"]) == (
        "crashed",
        "The site's main process ended with exit code 3.",
    )


def test_a_name_that_is_taken_fails_the_launch_and_not_the_next(scene: Stand) -> None:
    taken = Refuse(409, "Conflict. The container name is already in use")
    with scene.proxy.fault(taken, r"^POST /containers/create"):
        told = scene.until(scene.ask().json()["id"], "failed")
    assert told["reason"] == "start_failed" and "name" in told["detail"]
    assert scene.launch()["state"] == "ready"


def test_an_address_that_somebody_has_taken_costs_no_launch_but_that_one(scene: Stand) -> None:
    """A container of somebody else's on our network has the address that comes next."""
    with scene.engine.client() as client:
        last = scene.container(scene.launch()["id"])["NetworkSettings"]["Networks"][STACK]
        first, _, end = last["IPAddress"].rpartition(".")
        endpoint = client.create_endpoint_config(ipv4_address=f"{first}.{int(end) + 1}")
        client.create_container(
            image_of("hello"),
            name="squatter",
            host_config=client.create_host_config(network_mode=STACK),
            networking_config=client.create_networking_config(
                {STACK: endpoint}  # type: ignore[arg-type]  # a mistake in the stubs
            ),
        )
        client.start("squatter")
        try:
            told = scene.until(scene.ask().json()["id"], "ready", "failed")
            assert told["state"] == "ready" or "ddress" in told["detail"]
            assert scene.launch()["state"] == "ready"
        finally:
            client.remove_container("squatter", force=True)
