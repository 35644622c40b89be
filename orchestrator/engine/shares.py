"""What share of the machine's CPU time an instance has: its whole one, or that of a restrained one
(`service/fair_share.py` decides)."""

import asyncio
import contextlib
from typing import Final

from ..domain.engine_errors import EngineError
from ..domain.outages import EngineUnavailable
from . import container
from .sdk import Sdk

TIMEOUT: Final = 1.0  # seconds


class Shares:
    def __init__(self) -> None:
        self._whole: set[str] = set()  # of which we know; what is older may be restrained

    def remember_whole(self, instance_id: str) -> None:
        self._whole.add(instance_id)

    def forget(self, instance_id: str) -> None:
        self._whole.discard(instance_id)

    async def set(self, instance_id: str, container_id: str, sdk: Sdk, *, restrained: bool) -> None:
        shares = container.RESTRAINED_CPU_SHARES if restrained else container.CPU_SHARES
        self.forget(instance_id)
        await sdk.call(lambda client: client.update_container(container_id, cpu_shares=shares))
        if not restrained:
            self.remember_whole(instance_id)

    async def give_back(self, instance_id: str, container_id: str, sdk: Sdk) -> None:
        """What its processes have to do to end they do with their share: on a full machine a small
        one takes a second and more. Where this fails it ends all the same."""
        if instance_id not in self._whole:
            with contextlib.suppress(EngineError, EngineUnavailable, TimeoutError):
                async with asyncio.timeout(TIMEOUT):
                    await self.set(instance_id, container_id, sdk, restrained=False)
