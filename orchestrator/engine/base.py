"""What an engine does: runs instances, and says truthfully what runs.

`docker` runs them on one machine, `fake` in memory; `tests/contracts/test_engine.py` holds every
engine to the promises made here.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from ..domain.distribution import Distribution


@dataclass(frozen=True, slots=True)
class StartSpec:
    """Everything that an engine needs to start one instance."""

    instance_id: str
    distribution: Distribution
    address: IPv4Address
    created_at: datetime  # UTC
    expires_at: datetime  # UTC; written into the labels, the fallback after a lost database
    environment: dict[str, str]  # the distribution's own and what is made for this instance
    pooled: bool = False  # started for the pool; says so in a label


@dataclass(frozen=True, slots=True)
class Observation:
    """What the engine says of one container of ours, at one moment."""

    instance_id: str
    distribution: str
    running: bool
    exit_code: int | None  # None while it runs or has not started yet
    out_of_memory: bool
    created_at: datetime
    expires_at: datetime  # from the label
    address: IPv4Address | None = None  # on the instances' network, where it has one
    paused: bool = False  # by somebody else: we never do
    name: str = ""  # the container's, which somebody may have changed
    whole: bool = True  # its labels say all that adoption needs; else the fields here are guesses
    container_id: str = field(default="", compare=False)

    @property
    def ended(self) -> bool:
        return self.exit_code is not None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a running container has used until a moment."""

    at: datetime  # UTC, by the engine's clock
    cpu: float  # seconds of one core's time, since its start
    memory: int  # bytes, without what could be dropped at once (cached files)
    memory_limit: int  # bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """The engine's full list; sent at each (re)connect and after each quiet window."""

    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """The engine cannot be followed right now; `Listed` says when it can be again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Something happened to this instance: inspect it, the event itself decides nothing."""

    instance_id: str


EngineEvent = Listed | Changed | Lost


@dataclass(frozen=True, slots=True)
class ImageProgress:
    """One line of a pull or build.

    A pull's bytes are summed over its layers, as they travel (compressed). `current` never goes
    back; it is None until the first byte, and stays so where all layers are here already. `total`
    is None until every layer's size is known. A build has no bytes.
    """

    text: str
    current: int | None = None
    total: int | None = None

    @property
    def arrived(self) -> bool:
        """Whether all bytes are here; they may still have to be unpacked."""
        return self.current is not None and self.current == self.total

    @property
    def percent(self) -> int | None:
        """Rounded down: 100 only when everything is here."""
        if self.current is None or not self.total:
            return None
        return self.current * 100 // self.total

    @property
    def sentence(self) -> str:
        """A pull's progress for people, such as "Fetching the image: 12 of 34 MB, 35 %"."""
        if self.current is None:
            return "Fetching the image"
        if self.total is None:
            return f"Fetching the image: {_amounts(self.current)} so far"
        if self.arrived:
            return "Unpacking the image"
        return f"Fetching the image: {_amounts(self.current, self.total)}, {self.percent} %"


def _amounts(*amounts: int) -> str:
    """Such as "1.2 of 3.4 GB", in the unit that suits the largest, rounded down."""
    largest = max(amounts)
    unit, size = next(
        ((unit, size) for unit, size in (("GB", 10**9), ("MB", 10**6)) if largest >= size),
        ("kB", 10**3),
    )
    tenths = [amount * 10 // size for amount in amounts]
    if largest >= 10 * size:
        return f"{' of '.join(str(each // 10) for each in tenths)} {unit}"
    return f"{' of '.join(f'{each / 10:.1f}' for each in tenths)} {unit}"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    version: str
    api_version: str


@dataclass(frozen=True, slots=True)
class TerminalSize:
    """In characters."""

    rows: int
    columns: int


class Terminal(Protocol):
    """A shell in an instance. Whoever has opened it closes it."""

    async def read(self) -> bytes:
        """What it has written since, at most 16 KiB; b"" once nothing more will come."""

    async def write(self, typed: bytes) -> None:
        """Returns once there is room for more. What comes after its end is lost."""

    async def resize(self, size: TerminalSize) -> None:
        """Raises EngineError where it has ended."""

    async def exit_code(self) -> int | None:
        """Of its command; None while it runs, and where the engine does not know any more."""

    async def close(self) -> None:
        """Leaves no connection behind, and hangs up on what it has started. Raises nothing, and is
        done within a few seconds."""


class Engine(Protocol):
    """Every call raises EngineUnavailable where the engine cannot be reached in time, and
    EngineError where it refuses."""

    async def prepare(self) -> EngineInfo:
        """Reaches the engine and makes sure that the instances' network exists."""

    async def close(self) -> None: ...

    async def start(self, spec: StartSpec) -> None:
        """Creates and starts the instance's container; one that exists already is adopted, and
        started if that had not happened yet. Where the engine refuses, nothing is left behind.

        Raises NoEgress, ImageMissing, ImageRefused, AddressInUse, RuntimeUnknown, DiskUnlimited.
        """

    async def inspect(self, instance_id: str) -> Observation | None:
        """A fresh look, whatever the container is called now; None only where the engine says that
        it does not exist."""

    async def remove(self, instance_id: str) -> None:
        """Returns once the engine confirms that container and volumes are gone, or never were."""

    async def remove_container(self, container_id: str) -> None:
        """As `remove`, for one that cannot be told by its instance: a second one of the same
        instance, or one whose labels do not say whose it is."""

    async def unpause(self, instance_id: str) -> None:
        """What is not paused, or is not there, is left as it is."""

    async def restrain(self, instance_id: str, *, restrained: bool) -> None:
        """Where the machine is short of CPU time, a restrained instance gets little more than what
        others leave. One that is not there is left alone."""

    async def nudge(self, ref: str) -> None:
        """Makes the proxy list all containers anew: by the events of a container that exists for a
        moment, is no instance, has no network and runs nothing of its image.

        Raises ImageMissing.
        """

    async def list(self) -> tuple[Observation, ...]:
        """Every container that carries this stack's labels, whole or not."""

    async def logs(self, instance_id: str, *, tail: int = 200) -> str:
        """The last lines of its output, at most 64 KiB; "" where the container is gone."""

    async def usage(self, instance_id: str) -> Usage | None:
        """As it is now, perhaps a second old; None where it does not run. The engine may take a
        second to say so, which costs it little."""

    def output(self, instance_id: str, command: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """What this command of the catalogue writes to its standard output, as it comes: run in the
        instance's container, with the same user and rights as the application. Use it in
        `contextlib.aclosing`; nothing is read that nobody takes.

        Raises CommandFailed at the end, where its exit status is not 0, and EngineError where
        there is no such container, or it does not run.
        """

    async def open_terminal(self, instance_id: str, command: tuple[str, ...]) -> Terminal:
        """Runs `command` in the instance, as its ordinary user, with a terminal; one that cannot be
        started says so there, and ends. Raises NotRunning."""

    def events(self) -> AsyncGenerator[EngineEvent, None]:
        """List, then watch, for ever: reconnects by itself, and begins each connection with
        `Listed`. Use it in `contextlib.aclosing`, as `pull` and `build`: closing leaves no thread
        or socket behind."""

    async def image_id(self, ref: str) -> str | None:
        """The engine's own id of the image that `ref` names now; None where there is none."""

    async def check_image(self, distribution: Distribution) -> str:
        """The user that instances of its image run as. Raises ImageMissing, ImageRefused."""

    async def prune_images(self, *, older_than: timedelta) -> int:
        """Removes the images that were built through this protocol so long ago, and that neither
        a tag nor a container uses any more; says how many."""

    async def data_root(self) -> Path | None:
        """The folder in which it keeps images and containers; None where it has none here."""

    def pull(self, ref: str) -> AsyncGenerator[ImageProgress, None]: ...

    def build(self, folder: Path, ref: str) -> AsyncGenerator[ImageProgress, None]: ...
