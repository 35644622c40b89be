"""A database that is damaged at the start: nothing that runs is lost, and nothing is left over."""

import asyncio
import os
from pathlib import Path

import pytest

from orchestrator.domain.models import Reason, State
from orchestrator.domain.naming import own_names
from orchestrator.engine.base import Observation
from orchestrator.engine.fake import FakeEngine
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service.ledger import is_settled

from ..support import ADMIN, ANNA, Clock, running, with_pool

pytestmark = pytest.mark.anyio


async def test_running_sites_are_adopted_from_their_labels_and_end_on_time(tmp_path: Path) -> None:
    host, clock = FakeHost(), Clock()
    async with running(tmp_path, host=host, clock=clock) as world:
        sites = {(await world.launched(ANNA)).id for _ in range(5)}
    with (tmp_path / "distros.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8 * 4096))

    async with running(tmp_path, host=host, clock=clock) as world:
        live = world.services.ledger.live
        async with asyncio.timeout(5):
            while live.keys() != sites:
                await asyncio.sleep(0.01)
        assert {(one.state, one.owner) for one in live.values()} == {(State.READY, "")}
        assert len(host.containers) == 5
        await world.services.leases.delete(ADMIN, min(sites))
        assert (await world.ended(min(sites))).reason is Reason.REMOVED_BY_ADMIN
        clock.advance(hours=2)
        for site in sites - {min(sites)}:
            assert (await world.ended(site)).reason is Reason.EXPIRED
        assert host.containers == {}
    assert any("damaged" in name for name in os.listdir(tmp_path))


async def test_what_an_older_version_has_named_goes_on_with_its_row_and_without(
    tmp_path: Path,
) -> None:
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        site = (await world.launched(ANNA)).id
        new_name, old_name = own_names("distros", site)
    host.containers[old_name] = host.containers.pop(new_name)

    async with running(tmp_path, host=host) as world:
        assert await world.compare() == ()
        assert (await world.services.leases.get(ANNA, site)).state is State.READY
    (tmp_path / "distros.db").unlink()
    async with running(tmp_path, host=host) as world:
        async with asyncio.timeout(5):
            while site not in world.services.ledger.live:
                await asyncio.sleep(0.01)
        await world.services.leases.delete(ADMIN, site)
        await world.ended(site)
        assert host.containers == {}


@pytest.mark.parametrize("pool", [0, 1])
async def test_what_runs_without_a_row_counts_for_the_capacity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: int
) -> None:
    """From the first moment on: visitors and the pool wait until it is known."""
    real = FakeEngine.list

    async def slow(engine: FakeEngine) -> tuple[Observation, ...]:
        await asyncio.sleep(0.2)
        return await real(engine)

    monkeypatch.setattr(FakeEngine, "list", slow)
    host = FakeHost()
    async with running(tmp_path, host=host, capacity=3) as world:
        sites = [(await world.launched(ANNA)).id for _ in range(3)]
    async with running(
        tmp_path / "new", host=host, capacity=3, catalog=with_pool(pool, pool)
    ) as world:
        late = [] if pool else [await world.services.launcher.launch(ANNA, "wiki")]
        most = 0
        for _ in range(60):
            most = max(most, len(host.containers))
            await asyncio.sleep(0.01)
        assert most == 3 == world.services.ledger.counts().placed
        await world.services.leases.delete(ADMIN, sites[0])
        for instance in late:
            assert (await world.until(instance.id, is_settled)).state is State.READY


async def test_what_was_never_started_and_has_no_row_is_removed(tmp_path: Path) -> None:
    """The service ended between its creation and its start, and then the database was lost."""
    host = FakeHost()
    async with running(tmp_path, host=host) as world:
        name = world.engine.name_of((await world.launched(ANNA)).id)
    host.containers[name].running = False
    async with running(tmp_path / "new", host=host) as world, asyncio.timeout(5):
        while host.containers:
            await asyncio.sleep(0.01)
        assert world.services.ledger.live == {}
