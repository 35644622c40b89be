"""Which container is an instance's."""

from collections.abc import Sequence
from typing import Any

from ..domain.naming import LABEL_INSTANCE, container_name
from . import container
from .routing import managed_labels
from .sdk import NotFound, Sdk


class Lookup:
    """Among the containers of one `stack`. Each call names the SDK whose threads it may take."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._ids: dict[str, str] = {}  # instance → container, which is never another's

    def remember(self, instance_id: str, container_id: str) -> None:
        self._ids[instance_id] = container_id

    def forget(self, instance_id: str) -> None:
        self._ids.pop(instance_id, None)

    async def id_of(self, instance_id: str, sdk: Sdk) -> str | None:
        """Of its container; None where there is none."""
        if instance_id not in self._ids and (found := await self.find(instance_id, sdk)):
            self.remember(instance_id, found["Id"])
        return self._ids.get(instance_id)

    async def find(self, instance_id: str, sdk: Sdk) -> dict[str, Any] | None:
        """A fresh look at the instance's container, by its name, and where that is not it by its
        label; None where there is none of ours."""
        name = container_name(self._stack, instance_id)
        if found := await self._ours(name, instance_id, sdk):
            return found
        listed = await self.listed(sdk, instance_id)
        for item in sorted(listed, key=lambda item: item["Created"]):
            if found := await self._ours(item["Id"], instance_id, sdk):
                return found
        return None

    async def listed(self, sdk: Sdk, instance_id: str | None = None) -> Sequence[dict[str, Any]]:
        """What carries our labels, and this instance's."""
        wanted = managed_labels(self._stack)
        if instance_id is not None:
            wanted |= {LABEL_INSTANCE: instance_id}
        filters = {"label": [f"{key}={value}" for key, value in wanted.items()]}
        return await sdk.call(lambda client: client.containers(all=True, filters=filters))

    async def is_taken(self, name: str, sdk: Sdk) -> bool:
        """By any container, ours or not."""
        return await _inspected(name, sdk) is not None

    async def _ours(self, name_or_id: str, instance_id: str, sdk: Sdk) -> dict[str, Any] | None:
        found = await _inspected(name_or_id, sdk)
        if found is None:
            return None
        ours = container.instance_of(found["Config"]["Labels"], self._stack)
        return found if ours == instance_id else None


async def _inspected(name_or_id: str, sdk: Sdk) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await sdk.call(lambda client: client.inspect_container(name_or_id))
    except NotFound:
        return None
    return found
