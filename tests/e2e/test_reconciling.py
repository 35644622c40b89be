"""What somebody does to an instance's container with Docker's own tools, past the service."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from .stack import Stack, docker

REFS = "distros/hello:1"


def eventually(holds: Callable[[], bool], *, timeout: float) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < timeout
        time.sleep(0.02)
    return time.monotonic() - started


def answers(stack: Stack, instance: dict[str, Any]) -> bool:
    page = stack.get(instance["url"])
    return page.status_code == 200 and page.headers.get("x-distros-instance") == instance["id"]


def has_route(stack: Stack, instance: dict[str, Any]) -> bool:
    """By Traefik's own API."""
    name = f"{stack.name}-{instance['id']}@docker"
    url = f"http://127.0.0.1:{stack.admin_port}/api/http/routers/{name}"
    return httpx.get(url, trust_env=False, timeout=5).status_code == 200


def is_paused(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Paused}}", container).strip() == "true"


def make_traefik_list(stack: Stack) -> None:
    """By the start of any container of the stack's."""
    labels = ("--label", f"distros.stack={stack.name}", "--label", "traefik.enable=false")
    docker("run", "--rm", "--network", "none", "--init", *labels, "--entrypoint",
           "/sbin/docker-init", REFS, "--version")  # fmt: skip


def test_a_paused_container_goes_on_within_seconds(stack: Stack) -> None:
    instance = stack.launch("hello")
    container = f"{stack.name}-{instance['id']}"

    docker("pause", container)

    eventually(lambda: not is_paused(container), timeout=3)
    eventually(lambda: answers(stack, instance), timeout=3)
    assert stack.show(instance["id"])["state"] == "ready"


def test_a_route_that_a_pause_has_cost_comes_back(stack: Stack) -> None:
    instance = stack.launch("hello")
    container, orchestrator = f"{stack.name}-{instance['id']}", f"{stack.name}-orchestrator-1"
    docker("pause", orchestrator)  # it must not be faster than we are
    try:
        docker("pause", container)
        make_traefik_list(stack)
        eventually(lambda: not has_route(stack, instance), timeout=5)
        docker("unpause", container)
        time.sleep(0.5)  # Traefik takes no notice, however long one waits
        assert not has_route(stack, instance)
    finally:
        docker("unpause", orchestrator)

    docker("restart", "--time", "10", orchestrator)  # else it compares within a minute

    eventually(lambda: has_route(stack, instance), timeout=20)
    eventually(lambda: answers(stack, instance), timeout=3)


def test_a_renamed_container_stays_and_is_removed_in_the_end(stack: Stack) -> None:
    instance = stack.launch("hello")
    renamed = f"renamed-{instance['id']}"

    docker("rename", f"{stack.name}-{instance['id']}", renamed)
    time.sleep(1)  # the event has been heard by then
    assert answers(stack, instance)
    assert stack.show(instance["id"])["state"] == "ready"

    with stack.api() as api:
        assert api.delete(f"/instances/{instance['id']}").status_code == 204
    assert stack.objects("container", instance["id"]) == []
    stack.until_told_gone(instance["url"])
