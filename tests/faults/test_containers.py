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


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_with_our_labels_does_not_stay(
    scene: Stand, site: dict[str, str], known: bool
) -> None:
    """Whether it claims to be an instance that we know or one that we do not; that one, expired."""
    labels = scene.container(site["id"])["Labels"]
    if not known:
        labels = labels | {LABEL_INSTANCE: new_instance_id(), "distros.expires-at": "long ago"}
    with scene.engine.client() as client:
        client.create_container(image_of("hello"), name="copy", labels=labels)
        client.start("copy")
    eventually(lambda: len(scene.engine.containers()) == 1, "it has been removed", within=60)
    assert scene.container(site["id"])["Names"] == [f"/{container_name(STACK, site['id'])}"]
    assert page(site["url"]).status_code == 200
