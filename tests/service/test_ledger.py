"""Memory and store: whatever is read while something changes, memory ends with the latest."""

import asyncio
from typing import Any

import pytest

from orchestrator.domain.models import LIVE

from ..support import ADMIN, ANNA, World

pytestmark = pytest.mark.anyio


class HeldUp:
    """A read of the store whose answers are there, and not given before `go`."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self.has_read = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, *args: Any, **named: Any) -> Any:
        answer = await self._read(*args, **named)
        self.has_read.set()
        await self.go.wait()
        return answer


async def test_an_end_while_two_load_at_once_is_not_undone(world: World) -> None:
    """A list after a restoration, while the one of each minute is under way."""
    store: Any = world.services.ledger.store
    site = await world.launched(ANNA)
    real, held_up = store.list, HeldUp(store.list)
    store.list = held_up
    first = asyncio.create_task(world.services.ledger.load())
    await held_up.has_read.wait()
    store.list = real
    second = asyncio.create_task(world.services.ledger.load())
    await world.services.leases.delete(ANNA, site.id)
    await world.ended(site.id)
    await second
    held_up.go.set()
    await first
    assert site.id not in world.services.ledger.live


async def test_an_end_while_its_row_is_read_anew_is_not_undone(world: World) -> None:
    ledger = world.services.ledger
    store: Any = ledger.store
    site = await world.launched(ANNA)
    real, held_up = store.get, HeldUp(store.get)
    store.get = held_up
    reading = asyncio.create_task(ledger.refresh(site.id))
    await held_up.has_read.wait()
    store.get = real
    await world.services.leases.delete(ADMIN, site.id)
    await world.ended(site.id)
    held_up.go.set()
    await reading
    assert site.id not in ledger.live
    assert not await store.list(states=LIVE)
