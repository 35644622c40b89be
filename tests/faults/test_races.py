"""Many want the one that is left: one gets it, the others are told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.domain.models import Caller, Instance
from orchestrator.domain.outages import Unavailable
from tests.support import World, running, with_pool

pytestmark = pytest.mark.anyio

RACERS = [Caller(visitor=f"v-{number}") for number in range(200)]


@pytest.fixture
def races(long: bool) -> range:
    return range(100 if long else 5)


async def race(world: World) -> Sequence[Instance]:
    """What the winners have; every loser has been told that nothing is to be had just now."""
    launches = (world.services.launcher.launch(racer, "wiki") for racer in RACERS)
    results = await asyncio.gather(*launches, return_exceptions=True)
    refused = [each for each in results if isinstance(each, BaseException)]
    assert [each for each in refused if not isinstance(each, Unavailable)] == []
    return [each for each in results if isinstance(each, Instance)]


async def test_two_hundred_race_for_the_last_place(tmp_path: Path, races: range) -> None:
    async with running(tmp_path, capacity=1, queue_limit=0) as world:
        for _ in races:
            (won,) = await race(world)
            winner = Caller(visitor=won.owner)
            await world.until(won.id, lambda now: not now.state.pending)
            assert len(world.engine.host.containers) == 1
            await world.services.leases.delete(winner, won.id)
            await world.ended(won.id)


async def test_two_hundred_race_for_the_last_one_of_the_pool(
    tmp_path: Path, races: range, hurried_pool: None
) -> None:
    """It becomes one visitor's, and of the others one gets what is then the last place."""
    async with running(tmp_path, catalog=with_pool(1, 1), capacity=1, queue_limit=0) as world:
        for _ in races:
            while not any(each.ready_at for each in world.services.pool.members()):
                await asyncio.sleep(0.005)
            (pooled,) = world.services.pool.members()
            (won,) = await race(world)
            assert won.id == pooled.id
            owners = Counter(
                row.owner for row in world.services.ledger.live.values() if not row.pooled
            )
            assert owners == {won.owner: 1}
            await world.services.leases.delete(Caller(visitor=won.owner), won.id)
            await world.ended(won.id)
