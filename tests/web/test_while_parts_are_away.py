"""While the engine or the proxy is away: every answer within a second, and true."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from orchestrator.domain.models import State
from orchestrator.domain.pressure import Room
from orchestrator.service import health, launcher, leases, pressure
from orchestrator.service.readiness import Answer
from tests.support import ANNA, Browser, World, page_of, running

pytestmark = pytest.mark.anyio
V1 = "/api/v1"


class SilentWorld:
    """A service with one ready site of Anna's, whose engine then takes calls and never answers."""

    def __init__(self, world: World, anna: Browser, site: str) -> None:
        self.world, self.anna, self.site = world, anna, site
        self._answer = world.engine._called
        self._back = asyncio.Event()

        async def silent(call: str, about: str = "") -> None:
            await self._back.wait()
            await self._answer(call, about)

        world.engine._called = silent  # type: ignore[method-assign]

    def come_back(self) -> None:
        self._back.set()

    async def ask(self, method: str, path: str, **how: object) -> httpx.Response:
        """Raises where it takes longer than a second."""
        began = time.monotonic()
        response = await self.anna.request(method, path, **how)  # type: ignore[arg-type]
        assert time.monotonic() - began < 1
        return response

    async def noticed(self, *, trouble: bool = True) -> None:
        async with asyncio.timeout(5):
            while (self.world.services.health.trouble is not None) is not trouble:
                await asyncio.sleep(0.01)


@pytest.fixture
async def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SilentWorld]:
    monkeypatch.setattr(health, "GOOD_ENOUGH", 0.0)
    monkeypatch.setattr(health, "GOOD_HOLDS", 0.05)
    monkeypatch.setattr(health, "BAD_HOLDS", 0.05)
    monkeypatch.setattr(health, "DEADLINE", 1.0)
    monkeypatch.setattr(health, "PATIENCE", 0.4)  # a busy machine must not fail these tests
    monkeypatch.setattr(leases, "LOG_DEADLINE", 0.4)
    async with running(tmp_path) as world, world.client() as anna:
        created = await anna.submit("/launch", data={"distribution": "wiki"})
        site = page_of(created).rpartition("/")[2]
        await world.until(site, lambda now: now.state is State.READY)
        silent = SilentWorld(world, anna, site)
        while time.monotonic() < world.services.health._holds_until:
            await asyncio.sleep(0.01)  # a good answer holds for a moment
        yield silent


def test_nobody_waits_for_a_second() -> None:
    assert max(health.PATIENCE, leases.LOG_DEADLINE, launcher.LOOK_DEADLINE) < 1


@pytest.mark.parametrize("noticed", [False, True])
async def test_a_launch_is_refused_with_a_reason(silent: SilentWorld, noticed: bool) -> None:
    if noticed:
        await silent.noticed()

    form = {"distribution": "wiki", "token": await silent.anna.form_token()}
    by_form = await silent.ask("POST", "/launch", data=form)
    by_program = await silent.ask("POST", f"{V1}/instances", json={"distribution": "wiki"})

    assert by_form.status_code == by_program.status_code == 503
    assert "The server that runs the sites does not answer." in by_form.text
    assert by_program.json()["code"] == "engine_unavailable"
    assert by_form.headers["retry-after"] == by_program.headers["retry-after"] == "10"


async def test_pages_are_there_and_say_why_nothing_can_be_created(silent: SilentWorld) -> None:
    await silent.noticed()

    front = await silent.ask("GET", "/")
    site = await silent.ask("GET", f"/instances/{silent.site}")

    assert (front.status_code, site.status_code) == (200, 200)
    banner = front.text.partition('role="status"')[2].partition("</p>")[0]
    assert "No new sites can be created right now." in banner
    assert "The server that runs the sites does not answer." in banner
    assert "disabled><span data-says>Create site</span>" in front.text
    for path in (f"{V1}/instances", f"{V1}/instances/{silent.site}", f"{V1}/stats"):
        assert (await silent.ask("GET", path)).status_code == 200


async def test_what_needs_the_engine_says_so(silent: SilentWorld) -> None:
    log = await silent.ask("GET", f"{V1}/instances/{silent.site}/logs")
    ready = await silent.ask("GET", "/readyz")

    assert (log.status_code, log.json()["code"]) == (503, "engine_unavailable")
    assert log.headers["retry-after"] == "10"
    assert ready.status_code == 503 and ready.headers["retry-after"]
    assert ready.json()["checks"]["engine"] == "The Docker Engine does not answer in time."
    assert ready.json()["checks"]["store"] == "ok"


async def test_readyz_answers_in_time_though_the_disk_is_silent_too(
    silent: SilentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_answers = threading.Event()

    def hangs(_: object) -> Room:
        disk_answers.wait(10)
        return Room(disks=[], memory=0)

    for part, name in ((health, "PATIENCE"), (pressure, "DEADLINE")):
        monkeypatch.setattr(part, name, 0.6)  # one after the other would take longer than a second
    monkeypatch.setattr(pressure, "measure", hangs)
    silent.world.services.pressure._measured_at = float("-inf")
    try:
        assert (await silent.ask("GET", "/readyz")).status_code == 503
    finally:
        disk_answers.set()


async def test_a_deletion_is_taken_and_goes_on_when_the_engine_is_back(
    silent: SilentWorld,
) -> None:
    began = time.monotonic()
    deleted = await silent.anna.delete(f"{V1}/instances/{silent.site}")
    assert deleted.status_code == 204 and time.monotonic() - began < 1
    assert silent.world.services.ledger.live[silent.site].state is State.STOPPING

    silent.come_back()

    assert (await silent.world.ended(silent.site)).state is State.GONE


async def test_a_launch_that_was_accepted_goes_on_when_the_engine_is_back(
    silent: SilentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent.world.services.health, "require", nothing)
    instance = await silent.world.services.launcher.launch(ANNA, "wiki")
    await silent.noticed()

    silent.come_back()

    await silent.world.until(instance.id, lambda now: now.state is State.READY)
    await silent.noticed(trouble=False)


async def nothing() -> None: ...


async def test_without_its_proxy_a_launch_is_refused_and_the_page_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "GOOD_HOLDS", 0.0)
    monkeypatch.setattr(health, "GOOD_ENOUGH", 0.0)
    world.probe.proxy = Answer(None, error="connection refused")
    async with world.client() as anna:
        refused = await anna.submit("/launch", data={"distribution": "wiki"})
        front = await anna.get("/")

    assert (refused.status_code, front.status_code) == (503, 200)
    assert "No new sites can be created right now.</strong> No site can be reached" in front.text
