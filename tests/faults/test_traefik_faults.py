"""Traefik is restarted and killed: sites live on behind it, launches wait for it."""

import time

import pytest

from .service import eventually, page
from .stand import Stand


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_traefik_leaves_and_comes_back(scene: Stand, how: str) -> None:
    site = scene.launch()
    scene.ask("slow")
    scene.ask("brisk")
    getattr(scene.traefik, how)()
    left = time.monotonic()
    # A good answer holds for a while: what is accepted meanwhile goes on afterwards.
    eventually(lambda: scene.ask().status_code == 503, "it is known to be away", every=2)
    scene.refused()
    time.sleep(max(0.0, left + 6 - time.monotonic()))  # longer than the brisk one may take
    scene.traefik.start()
    eventually(lambda: page(site["url"]).status_code == 200, "the site answers")
    for instance_id in scene.accepted_since(site):
        assert scene.until(instance_id, "ready", "gone", "failed")["state"] == "ready"
    eventually(scene.service.ready, "launches work again")
    scene.launch()
