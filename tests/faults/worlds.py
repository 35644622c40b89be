"""Two worlds in which the same story can be told: one in memory, one on a real engine.

Both have a real database; only in the one in memory can time be moved.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import httpx
from tenacity import wait_fixed

from orchestrator import failpoints
from orchestrator.domain.errors import NotRenewable, UnknownInstance
from orchestrator.domain.models import Caller
from orchestrator.domain.naming import LABEL_INSTANCE, container_name
from orchestrator.domain.outages import Unavailable
from orchestrator.engine import events
from orchestrator.engine.fake import FakeEngine
from orchestrator.engine.fake_host import FakeHost
from orchestrator.service import insist, pool, pool_care, pool_sizes, queue, reaper
from orchestrator.store import sql_database
from tests.support import Clock, World, running, with_pool

from .rows import Row, read_rows
from .service import STACK
from .stand import Stand

T = TypeVar("T")

CAPACITY: Final = 3
QUEUE_LIMIT: Final = 2
PATIENCE: Final = 20.0  # seconds, in memory
VISITORS: Final = ("v-anna", "v-ben", "v-cleo")


class Story(Protocol):
    """What may happen, in either world. All of it returns at once; `settle` waits."""

    capacity: int
    engine_here: bool

    def owner(self, visitor: str) -> str:
        """As whom the store knows them."""

    def launch(self, visitor: str) -> str | None:
        """The id, where it was accepted."""

    def renew(self, visitor: str, instance_id: str) -> datetime | None:
        """The new end, where it was confirmed."""

    def delete(self, visitor: str, instance_id: str) -> None: ...

    def pass_time(self) -> None:
        """So much that leases end."""

    def crash(self, instance_id: str) -> None:
        """Its main process ends."""

    def remove_outside(self, instance_id: str) -> None: ...

    def restart(self) -> None: ...

    def kill(self, point: str) -> None:
        """The service dies when it next comes to this point, and is started again."""

    def lose_engine(self) -> None: ...

    def find_engine(self) -> None: ...

    def now(self) -> datetime: ...

    def rows(self) -> dict[str, Row]: ...

    def containers(self) -> dict[str, bool]:
        """Whether each runs, by the instance's id."""

    def wait(self) -> None:
        """A moment, in which the service can act."""

    def close(self) -> None: ...


class Crash(BaseException):
    """Nothing in the service may catch it, as nothing catches SIGKILL."""


class InMemory:
    """The service on the fake engine, its pauses a hundred times as short."""

    capacity = CAPACITY
    engine_here = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = Clock()
        self._runner = asyncio.Runner()
        self._host: FakeHost = self._runner.run(_in_loop(FakeHost))
        self._world: World
        self._leave: asyncio.Event
        self._life: asyncio.Task[None]
        self._dead = False  # killed, though its tasks may not have noticed yet
        self._start()

    # -- its service -----------------------------------------------------------------------------

    async def _live(self, started: "asyncio.Future[World]") -> None:
        with suppress(Crash):
            try:
                async with running(
                    self._folder,
                    host=self._host,
                    clock=self._clock,
                    catalog=with_pool(1, 1),
                    capacity=CAPACITY,
                    queue_limit=QUEUE_LIMIT,
                ) as world:
                    world.engine.unavailable = not self.engine_here
                    started.set_result(world)
                    await self._leave.wait()
            except BaseExceptionGroup as group:
                rest = group.split(Crash)[1]
                if rest is not None:
                    raise rest from group
            finally:
                started.cancel()

    def _start(self) -> None:
        async def start() -> None:
            self._leave = asyncio.Event()
            started: asyncio.Future[World] = asyncio.get_running_loop().create_future()
            self._life = asyncio.create_task(self._live(started))
            either: set[asyncio.Future[Any]] = {self._life, started}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if started.cancelled():
                await self._life
                raise Crash
            self._world = started.result()

        while True:
            self._dead = False
            with suppress(Crash):
                return self._runner.run(start())

    def restart(self) -> None:
        async def leave() -> None:
            self._leave.set()
            await self._life

        self._runner.run(leave())
        self._start()

    def kill(self, point: str) -> None:
        failpoints.arm(point, self._crash)

    def _crash(self) -> None:
        self._dead = True
        raise Crash

    def _do(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """What a caller asks for; None where it is refused, or the service dies of it."""

        async def ask() -> T | None:
            try:
                return await work()
            except (Unavailable, UnknownInstance, NotRenewable):
                return None
            except Exception:
                if not self._dead:
                    raise
                return None  # whoever was asking has lost the connection

        try:
            answer = self._runner.run(ask())
        except Crash:
            self._life.cancel()
            answer = None
        self._bury()
        return answer

    def _bury(self) -> None:
        """A service that has died is followed by the next one."""
        if self._dead:
            failpoints.arm(None)
            self._runner.run(_ended(self._life))
            self._start()

    # -- what happens ----------------------------------------------------------------------------

    def owner(self, visitor: str) -> str:
        return visitor

    def launch(self, visitor: str) -> str | None:
        launched = self._do(lambda: self._world.services.launcher.launch(Caller(visitor), "wiki"))
        return launched.id if launched else None

    def renew(self, visitor: str, instance_id: str) -> datetime | None:
        leases = self._world.services.leases
        renewed = self._do(lambda: leases.renew(Caller(visitor), instance_id))
        return renewed.expires_at if renewed else None

    def delete(self, visitor: str, instance_id: str) -> None:
        self._do(lambda: self._world.services.leases.delete(Caller(visitor), instance_id))

    def pass_time(self) -> None:
        self._clock.advance(minutes=25)

    def crash(self, instance_id: str) -> None:
        self._happen(lambda name: self._host.crash(name, exit_code=3), instance_id)

    def remove_outside(self, instance_id: str) -> None:
        self._happen(self._host.remove_outside, instance_id)

    def _happen(self, what: Callable[[str], Awaitable[None]], instance_id: str) -> None:
        name = self._world.engine.name_of(instance_id)
        if name in self._host.containers:
            self._do(lambda: what(name))

    def lose_engine(self) -> None:
        self.engine_here = False
        self._world.engine.unavailable = True
        self._do(self._host.cut_streams)

    def find_engine(self) -> None:
        self.engine_here = True
        self._world.engine.unavailable = False

    def now(self) -> datetime:
        return self._clock()

    def rows(self) -> dict[str, Row]:
        return read_rows(self._folder / "distros.db")

    def containers(self) -> dict[str, bool]:
        return {
            each.labels[LABEL_INSTANCE]: each.running for each in self._host.containers.values()
        }

    def wait(self) -> None:
        self._do(lambda: asyncio.sleep(0.003))

    def close(self) -> None:
        failpoints.arm(None)
        self._leave.set()
        self._runner.run(_ended(self._life))
        self._runner.close()


async def _in_loop(make: Callable[[], T]) -> T:
    return make()


async def _ended(task: "asyncio.Task[None]") -> None:
    await asyncio.wait({task})


def hurry(patch: Any) -> None:
    """Pauses that are there to spare a real engine; `patch` is pytest's `MonkeyPatch`.

    Between two steps the loop stands still while the clock goes on: that is nobody's turn to write.
    """

    def follow(self: FakeEngine) -> Any:
        return events.follow(self, window=self._relist_interval, backoff=lambda _: 0.01)

    patch.setattr(FakeEngine, "events", follow)
    patch.setattr(sql_database, "PATIENCE", 30.0)
    patch.setattr(insist, "PAUSE", wait_fixed(0.01))
    patch.setattr(pool, "FIRST_BACKOFF", 0.02)
    patch.setattr(pool, "REFILL_PAUSE", 0.0)
    patch.setattr(pool_care, "TEND_INTERVAL", 0.02)
    patch.setattr(pool_sizes, "REFILL_PAUSE", 0.0)
    patch.setattr(queue, "LOOK_INTERVAL", 0.01)
    patch.setattr(reaper, "LONGEST_SLEEP", 0.01)


class OnTheStand:
    """The real service, Traefik and an engine of the tests' own. Each visitor has a token."""

    engine_here = True

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.capacity = CAPACITY
        self._settings = {
            "DISTROS_CAPACITY": str(CAPACITY),
            "DISTROS_QUEUE_LIMIT": str(QUEUE_LIMIT),
            "DISTROS_POOLS": "hello=1",
            "DISTROS_POOL_LIMIT": "1",
        }
        self._stand.restart_service(**self._settings)
        self._tokens = {visitor: self._token(visitor) for visitor in VISITORS}

    def _token(self, visitor: str) -> dict[str, str]:
        with self._stand.service.api() as api:
            made = api.post("/tokens", json={"name": visitor, "scope": "launch"})
        document: dict[str, str] = made.raise_for_status().json()
        return document

    def owner(self, visitor: str) -> str:
        return f"token:{self._tokens[visitor]['id']}"

    def launch(self, visitor: str) -> str | None:
        token = self._tokens[visitor]["token"]
        answer = self._ask(lambda: self._stand.ask(lifetime=20, token=token))
        return str(answer.json()["id"]) if answer is not None and answer.is_success else None

    def renew(self, visitor: str, instance_id: str) -> datetime | None:
        return self._ask(lambda: self._stand.renew(instance_id))

    def delete(self, visitor: str, instance_id: str) -> None:
        self._ask(lambda: self._stand.delete(instance_id))

    def _ask(self, what: Callable[[], T]) -> T | None:
        """None where it is refused, or the service dies of it."""
        try:
            return what()
        except httpx.HTTPError:
            return None
        finally:
            self._bury()

    def _bury(self) -> None:
        if not self._stand.service.runs:
            self._stand.restart_service(**self._settings)

    def pass_time(self) -> None:
        """It passes by itself."""

    def crash(self, instance_id: str) -> None:
        with self._stand.engine.client() as client:
            client.kill(container_name(STACK, instance_id))

    def remove_outside(self, instance_id: str) -> None:
        with self._stand.engine.client() as client:
            client.remove_container(container_name(STACK, instance_id), force=True)

    def restart(self) -> None:
        self._stand.restart_service(**self._settings)

    def kill(self, point: str) -> None:
        self._stand.service.arm(point)

    def lose_engine(self) -> None:
        self.engine_here = False
        self._stand.engine.freeze()

    def find_engine(self) -> None:
        self._stand.engine.thaw()
        self.engine_here = True

    def now(self) -> datetime:
        return datetime.now(UTC)

    def rows(self) -> dict[str, Row]:
        return read_rows(self._stand.service.database)

    def containers(self) -> dict[str, bool]:
        return {
            each["Labels"][LABEL_INSTANCE]: each["State"] == "running"
            for each in self._stand.engine.containers(distros_stack=STACK)
        }

    def wait(self) -> None:
        self._bury()

    def close(self) -> None:
        self.find_engine()
        self._stand.restart_service()


SETTLES_WITHIN: Final = timedelta(seconds=60)
