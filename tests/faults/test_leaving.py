"""The service is told to leave in mid-launch: it does so in time, and the next one goes on."""

import time
from concurrent.futures import ThreadPoolExecutor

from .service import page
from .stand import Stand

LEAVES_WITHIN = 10.0  # seconds


def test_a_launch_under_way_is_finished_by_the_next_service(scene: Stand) -> None:
    site = scene.launch()
    asked = [scene.ask("slow").json()["id"] for _ in range(3)]
    with ThreadPoolExecutor(1) as threads:
        stream = threads.submit(listen, scene, asked[0])
        time.sleep(0.5)  # in the middle of it
        with scene.promises.watch.out_of_order():
            assert scene.service.terminate() < LEAVES_WITHIN
            assert page(site["url"]).status_code == 200  # nobody is there but Traefik
            scene.service.start()
        assert stream.result(LEAVES_WITHIN)
    for instance_id in asked:
        assert scene.until(instance_id, "ready", "failed")["state"] == "ready"


def listen(scene: Stand, instance_id: str) -> list[str]:
    """Until the stream of its changes ends: in order, when the service leaves. Raises where it is
    cut off."""
    with (
        scene.service.api() as api,
        api.stream("GET", f"/instances/{instance_id}/events") as stream,
    ):
        return [line for line in stream.iter_lines() if line]
