"""Somebody works past the service: containers are paused, renamed, stopped, deleted, copied."""

import pytest

from orchestrator.domain.naming import LABEL_INSTANCE, container_name, new_instance_id

from .service import STACK, eventually, image_of, page
from .stand import Stand


@pytest.fixture
def site(scene: Stand) -> dict[str, str]:
    found: dict[str, str] = scene.launch()
    return found


def test_a_paused_site_answers_again_or_has_ended(scene: Stand, site: dict[str, str]) -> None:
    with scene.engine.client() as client:
        client.pause(container_name(STACK, site["id"]))
    scene.promises.settle()
    told = scene.show(site["id"])
    if told["state"] == "ready":
        eventually(lambda: page(site["url"]).status_code == 200, "the site answers")
    else:
        assert told["reason"] and page(site["url"]).status_code == 410


def test_a_renamed_site_can_still_be_deleted(scene: Stand, site: dict[str, str]) -> None:
    with scene.engine.client() as client:
        client.rename(container_name(STACK, site["id"]), "somebody-s-own-name")
    eventually(lambda: page(site["url"]).status_code == 200, "the site answers")
    scene.delete(site["id"])
    scene.until(site["id"], "gone")
    eventually(lambda: scene.engine.containers() == [], "it has been removed")


def test_a_site_that_is_stopped_has_ended(scene: Stand, site: dict[str, str]) -> None:
    with scene.engine.client() as client:
        client.stop(container_name(STACK, site["id"]), timeout=0)
    assert scene.until(site["id"], "gone")["reason"] in {"crashed", "removed_outside"}


def test_a_site_that_is_deleted_has_ended(scene: Stand, site: dict[str, str]) -> None:
    with scene.engine.client() as client:
        client.remove_container(container_name(STACK, site["id"]), force=True)
    assert scene.until(site["id"], "gone")["reason"] == "removed_outside"


def test_copies_with_our_labels_do_not_stay(scene: Stand, site: dict[str, str]) -> None:
    """One that poses as an instance that we know, and one of which nobody has ever heard."""
    labels = scene.container(site["id"])["Labels"]
    with scene.engine.client() as client:
        for instance_id in (site["id"], new_instance_id()):
            posing = labels | {LABEL_INSTANCE: instance_id}
            made = client.create_container(image_of("hello"), labels=posing)
            client.start(made["Id"])
    eventually(lambda: len(scene.engine.containers()) == 1, "only ours is left", within=130)
    assert scene.container(site["id"])["Names"] == [f"/{container_name(STACK, site['id'])}"]
    eventually(lambda: page(site["url"]).status_code == 200, "our site answers")
