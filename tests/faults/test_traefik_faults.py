"""Traefik is restarted and killed: sites live on behind it, launches wait for it."""

import pytest

from .service import eventually, page
from .stand import Stand


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_traefik_leaves_and_comes_back(scene: Stand, how: str) -> None:
    site = scene.launch()
    scene.ask("slow")
    getattr(scene.traefik, how)()
    # A good answer holds for a while: what is accepted meanwhile goes on afterwards.
    eventually(lambda: scene.ask().status_code == 503, "it is known to be away", every=1)
    scene.refused()
    scene.traefik.start()
    eventually(lambda: page(site["url"]).status_code == 200, "the site answers")
    for instance_id in scene.promises.accepted:
        scene.until(instance_id, "ready", "gone")
    eventually(scene.service.ready, "launches work again")
    scene.launch()
