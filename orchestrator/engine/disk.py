"""Whether the engine keeps an instance from filling the disk, where its root can be written.

Docker's `storage-opt size` needs overlay2 on xfs with project quotas, or btrfs (there the image
counts too). Elsewhere it is refused, or taken and ignored, so it is believed only once it was seen
to work: a container of the distribution's own image, with its limit, writes past it. Asked before
the first start that needs it, and remembered for as long as this service runs; what could not be
told is asked again.
"""

import asyncio
import contextlib
from typing import Any, Final

from ..domain.distribution import Distribution
from ..domain.engine_errors import DiskUnlimited, EngineError, RuntimeUnknown
from . import container
from .routing import Routing, managed_labels
from .sdk import Client, Conflict, NotFound, Sdk

BEYOND: Final = 4 * 1024**2  # bytes, past the limit
PATIENCE: Final = 60.0  # seconds, for the probe to end
_LIMITED: Final = 4  # the exit code of the script when it was cut off
_SCRIPT: Final = """\
for folder in /var/tmp /tmp /run "$HOME"; do
  head -c 4096 /dev/zero > "$folder/distros-probe" || continue
  head -c "$0" /dev/zero > "$folder/distros-probe" && exit 3
  exit 4
done
exit 5
"""


class DiskLimit:
    def __init__(self, sdk: Sdk, routing: Routing) -> None:
        self._sdk = sdk
        self._routing = routing
        self._works = False
        self._one_at_a_time = asyncio.Lock()

    async def require(self, distribution: Distribution, user: str) -> None:
        """Raises DiskUnlimited where this distribution needs a limit and there is none."""
        if not container.needs_disk_limit(distribution):
            return
        async with self._one_at_a_time:
            self._works = self._works or await self._probe(distribution, user)
        if not self._works:
            raise DiskUnlimited(distribution.slug)

    async def _probe(self, distribution: Distribution, user: str) -> bool:
        name = f"{self._routing.stack}-disk-probe"
        await self._remove(name)  # of a service that was killed meanwhile
        try:
            await self._sdk.call(lambda client: self._create(client, name, distribution, user))
            await self._sdk.call(lambda client: client.start(name))
            return await self._exit_code(name) == _LIMITED
        except EngineError as error:
            raise explained(error, distribution) from error
        finally:
            await self._remove(name)

    def _create(
        self, client: Client, name: str, distribution: Distribution, user: str
    ) -> dict[str, Any]:
        # Without folders in memory: one of those would be full as well.
        bare = distribution.model_copy(update={"tmpfs": {}})
        return client.create_container(  # type: ignore[no-any-return]
            image=distribution.image.ref,
            name=name,
            user=user,
            labels=managed_labels(self._routing.stack),
            entrypoint=["sh", "-c", _SCRIPT, str(int(distribution.limits.disk) + BEYOND)],
            healthcheck={"test": ["NONE"]},
            host_config=container.host_config(client, "none", bare, user),
            use_config_proxy=False,
        )

    async def _exit_code(self, name: str) -> int | None:
        """None where it does not end in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = await self._sdk.call(lambda client: client.inspect_container(name))
                    if found["State"]["Status"] == "exited":
                        return int(found["State"]["ExitCode"])
                    await asyncio.sleep(0.1)
        return None

    async def _remove(self, name: str) -> None:
        with contextlib.suppress(NotFound, Conflict):
            await self._sdk.call(lambda client: client.remove_container(name, v=True, force=True))


def explained(error: EngineError, distribution: Distribution) -> EngineError:
    """What the engine's refusal to create a container means for its distribution."""
    said = error.message.lower()
    if distribution.runtime is not None and "runtime" in said:
        return RuntimeUnknown(distribution.slug, distribution.runtime)
    if container.needs_disk_limit(distribution) and "storage-opt" in said:
        return DiskUnlimited(distribution.slug)
    return error
