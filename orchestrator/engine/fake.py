"""An engine in memory, for tests and for trying the site without Docker. Same contract.

What it runs on is a `FakeHost`. Knobs, all to be turned at any time: `unavailable`, `fail_next`,
`start_delay`. `calls` lists every call made.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ..domain.distribution import Distribution
from ..domain.engine_errors import AddressInUse, CommandFailed, EngineError, NotRunning
from ..domain.errors import DistrosError
from ..domain.naming import LABEL_INSTANCE, container_name
from ..domain.outages import EngineUnavailable, ImageMissing
from ..failpoints import failpoint
from . import container, events
from .admission import admit, admit_network
from .base import EngineEvent, EngineInfo, ImageProgress, Observation, StartSpec, Usage
from .fake_host import FakeContainer, FakeHost, Program
from .fake_terminal import FakeTerminal
from .layers import Layers
from .routing import Routing

USER: Final = "1000:1000"  # of every image
LOG_CHARACTERS: Final = 64 * 1024

# A pull as Docker tells it: layer, status, current bytes.
LAYER_BYTES: Final = 10_000_000
_PULL: Final = (
    ("1a", "Pulling fs layer", 0),
    ("2b", "Pulling fs layer", 0),
    ("1a", "Downloading", 4_000_000),
    ("2b", "Downloading", 5_000_000),
    ("1a", "Download complete", 0),
    ("2b", "Download complete", 0),
    ("1a", "Extracting", LAYER_BYTES),
    ("1a", "Pull complete", 0),
    ("2b", "Pull complete", 0),
)


class FakeEngine:
    def __init__(
        self, routing: Routing, *, host: FakeHost | None = None, relist_interval: float = 60.0
    ) -> None:
        self.host = host or FakeHost()
        self.unavailable = False
        self.start_delay = 0.0  # seconds
        self.calls: list[tuple[str, str]] = []  # name of the call, and what it was about
        self._failures: dict[str, deque[DistrosError]] = {}
        self._routing = routing
        self._relist_interval = relist_interval

    def fail_next(self, call: str, error: DistrosError, *, times: int = 1) -> None:
        """The next `times` calls of that name raise `error`, and do nothing."""
        self._failures.setdefault(call, deque()).extend([error] * times)

    def name_of(self, instance_id: str) -> str:
        """The container's, for the host's knobs."""
        return container_name(self._routing.stack, instance_id)

    async def prepare(self) -> EngineInfo:
        await self._called("prepare")
        return EngineInfo(version="fake", api_version="1.41")

    async def close(self) -> None: ...

    # -- instances ---------------------------------------------------------------------------

    async def start(self, spec: StartSpec) -> None:
        await self._called("start", spec.instance_id)
        name = self.name_of(spec.instance_id)
        admit_network(spec.distribution, self._routing.plan)
        image = self._admitted(spec.distribution)
        if name in self.host.containers:
            self._adopt(spec.instance_id)
            return
        if any(spec.address == other.address for other in self.host.containers.values()):
            raise AddressInUse("Address already in use by a container of somebody else.")
        created = FakeContainer(
            labels=image | container.labels(self._routing, spec),
            address=spec.address,
            environment=dict(spec.environment),
            memory_limit=spec.distribution.limits.memory,
        )
        self.host.containers[name] = created
        failpoint("launch.created")
        await asyncio.sleep(self.start_delay)
        created.running = True

    def _adopt(self, instance_id: str) -> None:
        name = self._find(instance_id)
        if name is None:
            name = self.name_of(instance_id)
            raise EngineError(f"The name {name} is taken by a container that is not ours.")
        found = self.host.containers[name]
        if found.exit_code is None:
            found.running = True

    async def inspect(self, instance_id: str) -> Observation | None:
        await self._called("inspect", instance_id)
        name = self._find(instance_id)
        return _observe(name, self.host.containers[name]) if name else None

    async def remove(self, instance_id: str) -> None:
        await self._called("remove", instance_id)
        if name := self._find(instance_id):
            await self.host.remove_outside(name)

    async def remove_container(self, container_id: str) -> None:
        await self._called("remove_container", container_id)
        for name, each in tuple(self.host.containers.items()):
            if each.id == container_id:
                await self.host.remove_outside(name)

    async def unpause(self, instance_id: str) -> None:
        await self._called("unpause", instance_id)
        if name := self._find(instance_id):
            self.host.containers[name].paused = False
            await self.host.record(self.host.containers[name])

    async def nudge(self, ref: str) -> None:
        await self._called("nudge", ref)
        if ref not in self.host.images:
            raise ImageMissing(ref)
        self.host.nudges += 1

    async def list(self) -> tuple[Observation, ...]:
        await self._called("list")
        return tuple(
            _observe(name, one)
            for name, one in self.host.containers.items()
            if container.is_ours(one.labels, self._routing.stack)
        )

    async def logs(self, instance_id: str, *, tail: int = 200) -> str:
        await self._called("logs", instance_id)
        name = self._find(instance_id)
        lines = self.host.containers[name].output[-tail:] if name else []
        return "".join(f"{line}\n" for line in lines)[-LOG_CHARACTERS:]

    async def usage(self, instance_id: str) -> Usage | None:
        await self._called("usage", instance_id)
        name = self._find(instance_id)
        found = self.host.containers[name] if name else None
        if found is None or not found.running:
            return None
        return Usage(datetime.now(UTC), found.cpu, found.memory, found.memory_limit)

    async def restrain(self, instance_id: str, *, restrained: bool) -> None:
        await self._called("restrain", instance_id)
        if name := self._find(instance_id):
            self.host.containers[name].restrained = restrained

    async def output(self, instance_id: str, command: Sequence[str]) -> AsyncGenerator[bytes, None]:
        await self._called("output", instance_id)
        name = self._find(instance_id)
        if name is None or not self.host.containers[name].running:
            raise EngineError(f"There is no running container of {instance_id}.")
        program = self.host.programs.get(tuple(command), Program(status=127))
        for piece in program.pieces:
            yield piece
            if program.held is not None:
                await program.held.wait()
            self._require_available()
        if program.status != 0:
            raise CommandFailed(program.status, "")

    async def open_terminal(self, instance_id: str, command: tuple[str, ...]) -> FakeTerminal:
        await self._called("open_terminal", instance_id)
        name = self._find(instance_id)
        found = self.host.containers[name] if name else None
        if found is None or not found.running or found.paused:
            raise NotRunning(instance_id)
        opened = FakeTerminal(command)
        found.terminals.append(opened)
        return opened

    def _find(self, instance_id: str) -> str | None:
        """The name of the instance's container, which somebody may have changed."""
        expected, containers = self.name_of(instance_id), self.host.containers
        names = [expected, *containers] if expected in containers else [*containers]
        mine = (name for name in names if self._instance(containers[name].labels) == instance_id)
        return next(mine, None)

    def _instance(self, labels: dict[str, str]) -> str | None:
        return container.instance_of(labels, self._routing.stack)

    # -- events ------------------------------------------------------------------------------

    def events(self) -> AsyncGenerator[EngineEvent, None]:
        return events.follow(self, window=self._relist_interval)

    async def now(self) -> int:
        return math.floor(time.time())

    async def watch(self, since: int, until: int) -> AsyncGenerator[str, None]:
        self._require_available()
        async for labels in self.host.happenings(since, until):
            if self._instance(labels):
                yield labels[LABEL_INSTANCE]

    # -- images ------------------------------------------------------------------------------

    async def image_id(self, ref: str) -> str | None:
        await self._called("image_id", ref)
        return f"sha256:{ref}" if ref in self.host.images else None

    async def check_image(self, distribution: Distribution) -> str:
        await self._called("check_image", distribution.slug)
        self._admitted(distribution)
        return USER

    def _admitted(self, distribution: Distribution) -> dict[str, str]:
        """The image's labels. Raises ImageMissing, ImageRefused."""
        labels = self.host.images.get(distribution.image.ref)
        if labels is None:
            raise ImageMissing(distribution.slug)
        admit(distribution, {"Labels": labels, "User": USER})
        return labels

    async def pull(self, ref: str) -> AsyncGenerator[ImageProgress, None]:
        await self._called("pull", ref)
        layers = Layers()
        for layer, status, current in _PULL:
            detail = {"current": current, "total": LAYER_BYTES} if current else {}
            yield layers.after({"id": layer, "status": status, "progressDetail": detail})
        self.host.images.setdefault(ref, {})
        yield layers.after({"status": f"Status: Downloaded newer image for {ref}"})

    async def build(self, folder: Path, ref: str) -> AsyncGenerator[ImageProgress, None]:
        await self._called("build", ref)
        if not (folder / "Dockerfile").is_file():
            raise EngineError(f"There is no Dockerfile in {folder}.", hint="Write one, or pull.")
        yield ImageProgress("Step 1/1 : FROM scratch")
        self.host.images.setdefault(ref, {})

    async def prune_images(self, *, older_than: timedelta) -> int:
        await self._called("prune_images")
        return 0  # its images have no layers that could dangle

    async def data_root(self) -> Path | None:
        await self._called("data_root")
        return None

    def _require_available(self) -> None:
        if self.unavailable:
            raise EngineUnavailable("The Docker Engine cannot be reached.")

    async def _called(self, call: str, about: str = "") -> None:
        self.calls.append((call, about))
        await asyncio.sleep(0)  # as a real engine, it never answers at once
        self._require_available()
        if failures := self._failures.get(call):
            raise failures.popleft()


def _observe(name: str, found: FakeContainer) -> Observation:
    return container.observation(
        {
            "Id": found.id,
            "Name": f"/{name}",
            "Config": {"Labels": found.labels},
            "NetworkSettings": {
                "Networks": {"sandbox": {"IPAMConfig": {"IPv4Address": str(found.address)}}}
                if found.address
                else {}
            },
            "State": {
                "Running": found.running,
                "Paused": found.paused,
                "ExitCode": found.exit_code or 0,
                "OOMKilled": found.out_of_memory,
                "FinishedAt": "" if found.exit_code is not None else container.NEVER,
            },
        }
    )
