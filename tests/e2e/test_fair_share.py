"""A site that burns CPU time gives way to the others, on the real stack, until it is cold."""

import time
from collections.abc import Callable

import httpx

from orchestrator.engine.container import CPU_SHARES, RESTRAINED_CPU_SHARES

from .stack import Stack, docker

BURN = "exec perl -e 'while (not -e q(/tmp/rest)) {}'"
PATIENCE = 100  # seconds; measurements are put off while somebody launches


def test_who_burns_gives_way_until_it_rests(stack: Stack) -> None:
    site = stack.launch("dokuwiki")
    container = stack.container(site["id"])

    def has(shares: int) -> Callable[[], bool]:
        return lambda: (
            docker("inspect", "-f", "{{.HostConfig.CpuShares}}", container).strip() == str(shares)
        )

    assert has(CPU_SHARES)()
    docker("exec", "-d", container, "sh", "-c", BURN)
    until(has(RESTRAINED_CPU_SHARES))
    assert "gives way" in row_of(stack, site["id"])
    docker("exec", container, "touch", "/tmp/rest")  # noqa: S108  # in the container
    until(has(CPU_SHARES))
    assert "gives way" not in row_of(stack, site["id"])


def row_of(stack: Stack, instance_id: str) -> str:
    """The admin's table, with that instance alone."""
    here = f"http://127.0.0.1:{stack.port}/admin"
    headers = {"Host": f"distros.localhost:{stack.port}"}
    with httpx.Client(headers=headers, timeout=10, trust_env=False) as admin:
        signed_in = admin.post(f"{here}/sign-in", data={"secret": stack.admin_token})
        # What is set for the site's name a client of an address keeps to itself.
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        page = admin.get(f"{here}/instances?words={instance_id}", headers={"Cookie": cookie}).text
        assert instance_id in page
        return page


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.5)
