"""Where engine, store and proxy do not agree: what it is, why, and what is done about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    NO_ROW = "no_row"
    UNKNOWN_CONTAINER = "unknown_container"
    CLONE = "clone"
    LEFTOVER = "leftover"
    NO_CONTAINER = "no_container"
    ENDED_CONTAINER = "ended_container"
    PAUSED = "paused"
    RENAMED = "renamed"
    REMOVAL_STUCK = "removal_stuck"
    ROUTE_MISSING = "route_missing"
    ROUTE_REFUSED = "route_refused"
    STRAY_ROUTE = "stray_route"


# Kind → the reason, as a sentence, and what is done.
REASONS: Final = {
    Kind.NO_ROW: "The store knows nothing of this container; its labels say all about it.",
    Kind.UNKNOWN_CONTAINER: "The container bears this stack's labels in part, or under a name that "
    "is not its own.",
    Kind.CLONE: "A second container bears this instance's labels.",
    Kind.LEFTOVER: "The instance has ended, and its container is still there.",
    Kind.NO_CONTAINER: "The instance is there by the store, but has no container.",
    Kind.ENDED_CONTAINER: "The container has stopped.",
    Kind.PAUSED: "Somebody has paused the container.",
    Kind.RENAMED: "Somebody has renamed the container.",
    Kind.REMOVAL_STUCK: "The engine has not removed the container yet.",
    Kind.ROUTE_MISSING: "The container runs, and the proxy has no route to it.",
    Kind.ROUTE_REFUSED: "The proxy has refused the container's route.",
    Kind.STRAY_ROUTE: "The proxy has a route to something that is not there.",
}
REPAIRS: Final = {
    Kind.NO_ROW: "Adopted: it ends by its label's deadline.",
    Kind.UNKNOWN_CONTAINER: "Removed after a minute, in which it can be saved.",
    Kind.CLONE: "Removed after a minute, in which it can be saved.",
    Kind.LEFTOVER: "Removed.",
    Kind.NO_CONTAINER: "Looked for; where it is gone, the instance ends as removed_outside.",
    Kind.ENDED_CONTAINER: "The instance ends, with the reason that the exit code tells.",
    Kind.PAUSED: "Unpaused, and the proxy is made to list all containers anew.",
    Kind.RENAMED: "None is needed: it is found by its label.",
    Kind.REMOVAL_STUCK: "Tried again for ever; it holds its place until then.",
    Kind.ROUTE_MISSING: "The proxy is made to list all containers anew.",
    Kind.ROUTE_REFUSED: "None by itself: what the proxy says must be put right.",
    Kind.STRAY_ROUTE: "The proxy is made to list all containers anew.",
}


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    instance_id: str  # "" where the container does not say
    container: str  # its name, or the route's; "" where there is none
    engine: str  # what each of the three says, in a few words
    store: str
    proxy: str
    since: datetime  # UTC; when it was first seen
    detail: str = ""  # the engine's or the proxy's own words
    container_id: str = ""

    @property
    def reason(self) -> str:
        return f"{REASONS[self.kind]} {self.detail}".strip()

    @property
    def repair(self) -> str:
        return REPAIRS[self.kind]

    @property
    def key(self) -> tuple[Kind, str, str]:
        """The same difference, seen again, has the same."""
        return self.kind, self.instance_id, self.container_id or self.container
