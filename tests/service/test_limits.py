"""What comes from the pool counts like any other launch."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain.limits_exceeded import TooManyLaunches
from tests.support import ANNA, running, with_pool

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried_pool", "patient_store")]


async def test_of_many_who_race_for_their_last_claim_one_wins(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(4, 4), launches_per_address=1) as world:
        while len(world.services.pool) < 4:
            await asyncio.sleep(0.01)
        racers = [replace(ANNA, visitor=f"v-{number}", address="one") for number in range(50)]
        claims = (world.services.launcher.launch(racer, "wiki") for racer in racers)
        results = await asyncio.gather(*claims, return_exceptions=True)
        assert sum(isinstance(result, TooManyLaunches) for result in results) == 49
        owners = {each.owner for each in world.services.ledger.live.values() if not each.pooled}
        assert len(owners) == 1
