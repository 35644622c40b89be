"""The policy of the one event stream (`orchestrator/engine/events.py`), with a scripted engine."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.base import Changed, EngineEvent, Listed, Lost, Observation
from orchestrator.engine.events import backoff, follow

pytestmark = pytest.mark.anyio

AWAY = EngineUnavailable("The Docker Engine cannot be reached.")


class EndOfScript(Exception):
    pass


@dataclass
class Connection:
    """One turn of the loop: what is told, how long it lasts, and what breaks it."""

    told: tuple[str, ...] = ()
    lasts: float = 0.0  # seconds
    refused: bool = False
    breaks: bool = False


@dataclass
class Script:
    """An engine whose every connection is written down; its clock moves only by them."""

    connections: Iterator[Connection]
    clock: float = 0.0
    watched: list[tuple[int, int]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    current: Connection = field(default_factory=Connection)

    async def now(self) -> int:
        try:
            self.current = next(self.connections)
        except StopIteration as error:
            raise EndOfScript from error
        if self.current.refused:
            raise AWAY
        return 1_000 + int(self.clock)

    async def list(self) -> tuple[Observation, ...]:
        return ()

    async def watch(self, since: int, until: int) -> AsyncGenerator[str, None]:
        self.watched.append((since, until))
        for instance_id in self.current.told:
            yield instance_id
        self.clock += self.current.lasts
        if self.current.breaks:
            raise AWAY

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def play(*connections: Connection) -> tuple[list[EngineEvent], Script]:
    """Follows the script to its end: one sleep is one second per failure in a row."""
    script = Script(iter(connections))
    sleep: Callable[[float], Awaitable[None]] = script.sleep
    heard: list[EngineEvent] = []
    following = follow(script, window=60, backoff=float, sleep=sleep, clock=lambda: script.clock)
    async with aclosing(following) as events:
        with contextlib.suppress(EndOfScript):
            async for event in events:
                heard.append(event)  # noqa: PERF401  # kept when the script ends
    return heard, script


async def test_it_lists_then_watches_from_before_the_list_for_one_window() -> None:
    heard, script = await play(Connection(told=("a", "b"), lasts=60.5), Connection(lasts=60))

    assert heard == [Listed(()), Changed("a"), Changed("b"), Listed(())]
    assert script.watched == [(1000, 1061), (1060, 1121)]


async def test_it_lists_again_without_waiting_when_a_window_is_over() -> None:
    _, script = await play(Connection(lasts=61), Connection(lasts=61))

    assert script.slept == []


async def test_it_backs_off_more_with_each_failure_and_lists_at_each_return() -> None:
    heard, script = await play(
        Connection(refused=True), Connection(breaks=True), Connection(), Connection(lasts=61)
    )

    assert script.slept == [1, 2, 3]
    away, early = Lost(AWAY.message), Lost("The stream ended early.")
    assert heard == [away, Listed(()), away, Listed(()), early, Listed(())]


async def test_it_forgets_earlier_failures_once_a_connection_has_held() -> None:
    _, script = await play(
        Connection(refused=True),
        Connection(refused=True),
        Connection(lasts=10, breaks=True),
        Connection(refused=True),
    )

    assert script.slept == [1, 2, 1, 2]


def test_it_waits_between_a_twentieth_of_a_second_and_fifteen() -> None:
    assert all(0.05 <= backoff(1) <= 0.1 for _ in range(100))
    assert all(7.5 <= backoff(9) <= 15 for _ in range(100))
    assert backoff(100_000) <= 15
