"""A database that is damaged at the start: nothing that runs is lost, and nothing is left over."""

import asyncio
import os
from pathlib import Path

import pytest

from orchestrator.domain.models import Reason, State
from orchestrator.engine.fake import FakeHost

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
