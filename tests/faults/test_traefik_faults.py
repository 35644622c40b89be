"""Traefik is restarted and killed: sites live on behind it, launches wait for it."""

import pytest

from .service import eventually, page
from .stand import Stand


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_traefik_leaves_and_comes_back(scene: Stand, how: str) -> None:
    site = scene.launch()
    under_way = scene.ask("slow").json()["id"]
    getattr(scene.traefik, how)()
    eventually(lambda: not scene.service.ready(), "Traefik is known to be away", within=10)
    scene.refused()
    scene.traefik.start()
    eventually(lambda: page(site["url"]).status_code == 200, "the site answers")
    assert scene.until(under_way, "ready", "failed")["state"] == "ready"
    eventually(scene.service.ready, "launches work again")
    scene.launch()
