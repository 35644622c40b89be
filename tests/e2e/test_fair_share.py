"""A site that burns all its CPU time gives way to the others, on the real stack; and no longer than
it burns."""

import time
from collections.abc import Callable

from orchestrator.engine.container import CPU_SHARES, RESTRAINED_CPU_SHARES

from .stack import Stack, docker

BURN = "exec perl -e 'while (not -e q(/tmp/rest)) {}'"
PATIENCE = 60  # seconds; two measurements, each put off while somebody launches


def test_who_burns_gives_way_until_it_rests(stack: Stack) -> None:
    site = stack.launch("dokuwiki")
    container = stack.container(site["id"])

    def has(shares: int) -> Callable[[], bool]:
        return lambda: (
            docker("inspect", "-f", "{{.HostConfig.CpuShares}}", container) == str(shares)
        )

    assert has(CPU_SHARES)()
    for _ in range(2):  # on this machine's two cores it must be busy
        docker("exec", "-d", container, "sh", "-c", BURN)
    until(has(RESTRAINED_CPU_SHARES))
    assert "gives way" in admin_page(stack)
    docker("exec", container, "touch", "/tmp/rest")  # noqa: S108  # in the container
    until(has(CPU_SHARES))
    assert "gives way" not in admin_page(stack)


def admin_page(stack: Stack) -> str:
    return stack.get(
        f"{stack.site_url}/admin/instances",
        headers={"Authorization": f"Bearer {stack.admin_token}"},
    ).text


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.5)
