"""A database that is damaged at the start: nothing that runs is lost, and nothing is left over."""

import asyncio
import os
from pathlib import Path

import pytest

from orchestrator.domain.models import Reason, State
from orchestrator.domain.naming import own_names
from orchestrator.engine.fake_host import FakeHost

from ..support import ADMIN, ANNA, Clock, running

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
