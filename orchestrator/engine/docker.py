"""Instances on one machine's Docker Engine.

Number of engine calls, whatever the number of instances: `start` 3 (inspect image, create, start),
5 when it adopts; `output` 3 (create, start, inspect); `remove` 1 when it is the only one removing
(2 where the instance is restrained, or is older than this process and may be); `logs`, `usage` and
`restrain` 1; these and `remove` one more where the container's id is not known yet; `inspect` 1;
`list` 1 and one for each container that has ended and is not removed yet; `unpause` and `nudge` 2.
One more wherever the container is not found under its name: it may have been renamed. A terminal
makes 2, one for each change of its size, and 3 at its end, all of them without a thread
(`execs.py`).

Removals, the question whether the engine is there, and measurements have threads of their own:
removals that hang hold up neither a start nor each other, a silent engine is noticed however many
calls wait, and to measure (Docker 20.10 answers at its next whole second) delays nothing else.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ..domain.distribution import Distribution
from ..domain.engine_errors import AddressInUse, EngineError, NotRunning
from ..domain.naming import container_name
from ..domain.outages import EngineUnavailable, ImageMissing
from ..failpoints import failpoint
from . import admission, container, disk, events, images, output, usage
from .base import EngineEvent, EngineInfo, ImageProgress, Observation, StartSpec, Usage
from .execs import Execs
from .lookup import Lookup
from .network import ensure_network
from .routing import Routing
from .sdk import Client, Conflict, ImageNotFound, NotFound, Sdk
from .shares import Shares
from .terminal import DockerTerminal

LOG_BYTES: Final = 64 * 1024
PROBE_TIMEOUT: Final = 3.0  # seconds
# Seconds after which a removal is asked for again, which tells whether it is still going on. In
# that time Endings begins at most four a second, and each holds a thread.
REMOVAL_TIMEOUT: Final = 10.0
REMOVAL_THREADS: Final = 64
METER_TIMEOUT: Final = 5.0  # seconds
METER_THREADS: Final = 16  # measurements at once
EXEC_TIMEOUT: Final = 10.0  # seconds
LOOK_AGAIN: Final = 0.25  # seconds
_ADDRESS_IN_USE: Final = "Address already in use"  # in Docker's own words

# Terminal sequences first, then what is left of control characters; a log is shown to people.
_UNPRINTABLE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class DockerEngine:
    """`url` as Docker writes it; `timeout` (of one call) and `relist_interval` in seconds."""

    def __init__(
        self,
        url: str,
        *,
        routing: Routing,
        timeout: float = 30.0,
        relist_interval: float = 60.0,
    ) -> None:
        self._sdk = Sdk(url, timeout=timeout)
        self._probes = Sdk(url, timeout=min(timeout, PROBE_TIMEOUT), threads=2)
        self._removals = Sdk(url, timeout=min(timeout, REMOVAL_TIMEOUT), threads=REMOVAL_THREADS)
        self._meters = Sdk(url, timeout=min(timeout, METER_TIMEOUT), threads=METER_THREADS)
        self._execs = Execs.at(url, timeout=min(timeout, EXEC_TIMEOUT))
        self._routing = routing
        self._relist_interval = relist_interval
        self._disk_limit = disk.DiskLimit(self._sdk, routing)
        self._lookup = Lookup(routing.stack)
        self._shares = Shares()

    async def prepare(self) -> EngineInfo:
        version = await self._probes.call(lambda client: client.version())
        for name, subnet in zip(self._routing.networks, self._routing.plan.bridges, strict=True):
            await ensure_network(self._probes, self._routing.stack, name, subnet)
        return EngineInfo(version=version["Version"], api_version=version["ApiVersion"])

    async def close(self) -> None:
        for sdk in (self._sdk, self._probes, self._removals, self._meters):
            await sdk.close()
        await self._execs.close()

    # -- instances ---------------------------------------------------------------------------

    async def start(self, spec: StartSpec) -> None:
        admission.admit_network(spec.distribution, self._routing.plan)
        user = await self.check_image(spec.distribution)
        await self._disk_limit.require(spec.distribution, user)
        try:
            created = await self._sdk.call(lambda client: self._create(client, spec, user))
            failpoint("launch.created")
        except ImageNotFound as error:
            raise ImageMissing(spec.distribution.slug) from error
        except Conflict:
            await self._adopt(spec.instance_id)
        except EngineError as error:
            raise disk.explained(error, spec.distribution) from error
        else:
            self._lookup.remember(spec.instance_id, created["Id"])
            self._shares.remember_whole(spec.instance_id)
            await self._begin(spec.instance_id, created["Id"])

    async def _begin(self, instance_id: str, container_id: str) -> None:
        try:
            await self._sdk.call(lambda client: client.start(container_id))
        except EngineUnavailable:
            raise  # it may have started; whoever looks next will see
        except EngineError as error:
            # An address in use, a command that is not there: nothing is left behind.
            await self.remove(instance_id)
            if _ADDRESS_IN_USE in error.message:
                raise AddressInUse(f"{_ADDRESS_IN_USE} by a container of somebody else.") from error
            raise

    async def check_image(self, distribution: Distribution) -> str:
        try:
            config = await images.image_config(self._sdk, distribution.image.ref)
        except ImageNotFound as error:
            raise ImageMissing(distribution.slug) from error
        admission.admit(distribution, config)
        return admission.user_of(distribution, config)

    def _create(self, client: Client, spec: StartSpec, user: str) -> dict[str, Any]:
        arguments = container.create_arguments(client, self._routing, spec, user)
        return client.create_container(**arguments)  # type: ignore[no-any-return]

    async def _adopt(self, instance_id: str) -> None:
        """Whoever created it, perhaps we before a crash, may not have come to start it. One that
        has ended stays ended: to start it again would hide a crash."""
        found = await self._created(instance_id)
        if found["State"]["Status"] == "created":
            await self._begin(instance_id, found["Id"])  # 304 is success too

    async def _created(self, instance_id: str) -> dict[str, Any]:
        """Docker takes a name before it has the container: where an earlier call of ours is still
        under way, to whose end nobody waited, it appears later."""
        name = container_name(self._routing.stack, instance_id)
        give_up = time.monotonic() + self._sdk.timeout
        while (found := await self._lookup.find(instance_id, self._sdk)) is None:
            if await self._lookup.is_taken(name, self._sdk):
                raise EngineError(f"The name {name} is taken by a container that is not ours.")
            if time.monotonic() > give_up:
                raise EngineError(f"The name {name} is taken, but no container of it appears.")
            await asyncio.sleep(LOOK_AGAIN)
        return found

    async def inspect(self, instance_id: str) -> Observation | None:
        found = await self._lookup.find(instance_id, self._sdk)
        return container.observation(found) if found else None

    async def remove(self, instance_id: str) -> None:
        if container_id := await self._lookup.id_of(instance_id, self._removals):
            await self._shares.give_back(instance_id, container_id, self._removals)
            await self.remove_container(container_id)
            self._lookup.forget(instance_id)
            self._shares.forget(instance_id)

    async def remove_container(self, container_id: str) -> None:
        try:
            with contextlib.suppress(NotFound):
                # Killed, not asked to stop: that keeps the time short in which its address
                # answers nothing.
                await self._removals.call(
                    lambda client: client.remove_container(container_id, v=True, force=True)
                )
        except Conflict:  # somebody else is removing it
            await self._wait_until_gone(container_id)

    async def _wait_until_gone(self, container_id: str) -> None:
        pause = 0.01
        try:
            async with asyncio.timeout(self._removals.timeout):
                while True:
                    await self._removals.call(lambda client: client.inspect_container(container_id))
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, 0.25)
        except NotFound:
            return
        except TimeoutError as error:
            raise EngineError("The container is still being removed.") from error

    async def unpause(self, instance_id: str) -> None:
        found = await self._lookup.find(instance_id, self._sdk)
        if found and found["State"]["Paused"]:
            with contextlib.suppress(NotFound, Conflict):  # gone, or being removed
                await self._sdk.call(lambda client: client.unpause(found["Id"]))

    async def nudge(self, ref: str) -> None:
        stack = self._routing.stack
        try:
            created = await self._sdk.call(
                lambda client: client.create_container(
                    **container.nudge_arguments(client, stack, ref)
                )
            )
        except ImageNotFound as error:
            raise ImageMissing(ref) from error
        try:
            await self._sdk.call(lambda client: client.start(created["Id"]))
        except EngineUnavailable:
            raise
        except EngineError:
            await self.remove_container(created["Id"])
            raise

    async def list(self) -> tuple[Observation, ...]:
        items = await self._lookup.listed(self._sdk)
        looks = [container.listed_observation(item) for item in items]
        ended = [item["Id"] for item, look in zip(items, looks, strict=True) if look is None]
        inspected = await asyncio.gather(*map(self._look, ended))
        return tuple(look for look in (*looks, *inspected) if look is not None)

    async def _look(self, container_id: str) -> Observation | None:
        try:
            return container.observation(
                await self._sdk.call(lambda client: client.inspect_container(container_id))
            )
        except NotFound:  # gone since it was listed
            return None

    async def logs(self, instance_id: str, *, tail: int = 200) -> str:
        container_id = await self._lookup.id_of(instance_id, self._sdk)
        if container_id is None:
            return ""
        try:
            raw = await self._sdk.call(lambda client: container.raw_log(client, container_id, tail))
        except (NotFound, Conflict):  # gone, or being removed
            return ""
        return _UNPRINTABLE.sub("", raw[-LOG_BYTES:].decode(errors="replace"))

    async def usage(self, instance_id: str) -> Usage | None:
        container_id = await self._lookup.id_of(instance_id, self._meters)
        if container_id is None:
            return None
        try:
            return await self._meters.call(lambda client: usage.ask(client, container_id))
        except (NotFound, Conflict):  # gone, or being removed
            return None

    async def restrain(self, instance_id: str, *, restrained: bool) -> None:
        container_id = await self._lookup.id_of(instance_id, self._meters)
        if container_id is None:
            return
        with contextlib.suppress(NotFound, Conflict):  # gone, or being removed
            await self._shares.set(instance_id, container_id, self._meters, restrained=restrained)

    async def output(self, instance_id: str, command: Sequence[str]) -> AsyncGenerator[bytes, None]:
        container_id = await self._lookup.id_of(instance_id, self._sdk)
        if container_id is None:
            raise NotFound(f"There is no container of {instance_id}.")
        async with contextlib.aclosing(output.output(self._execs, container_id, command)) as pieces:
            async for piece in pieces:
                yield piece

    async def open_terminal(self, instance_id: str, command: tuple[str, ...]) -> DockerTerminal:
        container_id = await self._lookup.id_of(instance_id, self._sdk)
        if container_id is None:
            raise NotRunning(instance_id)
        try:
            return await DockerTerminal.open(self._execs, container_id, command)
        except (NotFound, Conflict) as error:  # gone, has ended, or is paused
            raise NotRunning(instance_id) from error

    # -- events ------------------------------------------------------------------------------

    def events(self) -> AsyncGenerator[EngineEvent, None]:
        return events.follow(self, window=self._relist_interval)

    async def now(self) -> int:
        return await events.engine_time(self._probes)

    def watch(self, since: int, until: int) -> AsyncGenerator[str, None]:
        silence = until - since + events.SLACK
        return events.watch(self._sdk, self._routing.stack, since, until, silence=silence)

    # -- images ------------------------------------------------------------------------------

    async def image_id(self, ref: str) -> str | None:
        return await images.image_id(self._sdk, ref)

    async def prune_images(self, *, older_than: timedelta) -> int:
        return await images.prune(self._sdk, older_than.total_seconds())

    async def data_root(self) -> Path | None:
        info = await self._sdk.call(lambda client: client.info())
        return Path(info["DockerRootDir"])

    def pull(self, ref: str) -> AsyncGenerator[ImageProgress, None]:
        return images.pull(self._sdk, ref)

    def build(self, folder: Path, ref: str) -> AsyncGenerator[ImageProgress, None]:
        return images.build(self._sdk, folder, ref)
