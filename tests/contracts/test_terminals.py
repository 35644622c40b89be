"""What every engine promises of terminals (`engine/base.py`), held against all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from orchestrator.domain.engine_errors import EngineError, NotRunning
from orchestrator.domain.naming import container_name, new_instance_id
from orchestrator.engine.base import StartSpec, Terminal, TerminalSize

from .conftest import PATIENCE, ROUTING, DockerLab, Lab, eventually, make_spec

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SHELL = ("/bin/sh",)


@asynccontextmanager
async def opened(
    lab: Lab, spec: StartSpec, command: tuple[str, ...] = SHELL
) -> AsyncIterator[Terminal]:
    terminal = await lab.engine.open_terminal(spec.instance_id, command)
    try:
        yield terminal
    finally:
        await terminal.close()


@pytest.fixture
async def spec(lab: Lab) -> StartSpec:
    started = make_spec()
    await lab.engine.start(started)
    return started


async def read_until(terminal: Terminal, wanted: bytes) -> bytes:
    """All that it has said, up to what is wanted."""
    said = b""
    async with asyncio.timeout(PATIENCE):
        while wanted not in said:
            piece = await terminal.read()
            assert piece, said
            said += piece
    return said


async def read_to_the_end(terminal: Terminal) -> bytes:
    said = b""
    async with asyncio.timeout(PATIENCE):
        while piece := await terminal.read():
            said += piece
    return said


async def test_what_is_typed_is_shown_and_answered(lab: Lab, spec: StartSpec) -> None:
    async with opened(lab, spec) as terminal:
        await read_until(terminal, b"$ ")
        await terminal.write(b"echo hello\r")

        assert b"echo hello\r\nhello\r\n" in await read_until(terminal, b"\nhello\r\n")


async def test_it_is_as_large_as_it_is_told_and_told_again(lab: Lab, spec: StartSpec) -> None:
    async with opened(lab, spec) as terminal:
        await read_until(terminal, b"$ ")
        for size in (TerminalSize(24, 80), TerminalSize(31, 117)):
            await terminal.resize(size)
            await terminal.write(b"stty size\r")
            await read_until(terminal, f"{size.rows} {size.columns}\r\n".encode())


async def test_its_end_is_told_with_its_exit_code(lab: Lab, spec: StartSpec) -> None:
    async with opened(lab, spec) as terminal:
        assert await terminal.exit_code() is None
        await terminal.write(b"exit 7\r")

        await read_to_the_end(terminal)

        assert await terminal.exit_code() == 7
        await terminal.write(b"more")  # is lost


async def test_two_terminals_of_one_instance_are_apart(lab: Lab, spec: StartSpec) -> None:
    async with opened(lab, spec) as one, opened(lab, spec) as other:
        await one.write(b"exit 3\r")
        await read_to_the_end(one)

        await read_until(other, b"$ ")
        await other.write(b"echo still here\r")
        await read_until(other, b"\nstill here\r\n")


async def test_it_ends_with_its_container(lab: Lab, spec: StartSpec) -> None:
    async with opened(lab, spec) as terminal:
        await read_until(terminal, b"$ ")

        await lab.engine.remove(spec.instance_id)

        await read_to_the_end(terminal)
        with pytest.raises(EngineError):
            await terminal.resize(TerminalSize(24, 80))


async def test_it_ends_with_a_crash(lab: Lab, spec: StartSpec) -> None:
    async with opened(lab, spec) as terminal:
        await lab.crash(spec.instance_id)
        await read_to_the_end(terminal)


async def test_there_is_none_in_what_does_not_run(lab: Lab, spec: StartSpec) -> None:
    with pytest.raises(NotRunning):
        await lab.engine.open_terminal(new_instance_id(), SHELL)

    await lab.pause(spec.instance_id)
    with pytest.raises(NotRunning):
        await lab.engine.open_terminal(spec.instance_id, SHELL)


async def test_there_is_none_in_what_was_removed(lab: Lab, spec: StartSpec) -> None:
    """Even though its container was known a moment ago."""
    await lab.remove_outside(spec.instance_id)

    with pytest.raises(NotRunning):
        await lab.engine.open_terminal(spec.instance_id, SHELL)


# -- what only a real engine can show --------------------------------------------------------------


async def processes(lab: DockerLab, spec: StartSpec) -> str:
    name = container_name(ROUTING.stack, spec.instance_id)
    top = await asyncio.to_thread(lab.client.top, name)
    return "\n".join(row[-1] for row in top["Processes"])


@pytest.fixture
async def real_spec(real: DockerLab) -> StartSpec:
    started = make_spec()
    await real.engine.start(started)
    return started


async def test_closing_it_leaves_nothing_running(real: DockerLab, real_spec: StartSpec) -> None:
    """Neither the shell, nor what it has put into the background, nor what ignores an interrupt."""
    before = await processes(real, real_spec)
    async with opened(real, real_spec) as terminal:
        await terminal.write(b"sleep 1234 & trap '' INT; exec 2>&1; sleep 4321\r")
        await eventually(lambda: processes(real, real_spec), lambda now: "sleep 4321" in now)

    def as_before(now: str) -> bool:
        return len(now.splitlines()) == len(before.splitlines()) and "sleep 1234" not in now

    await eventually(lambda: processes(real, real_spec), as_before)


async def test_a_cut_leaves_nothing_running_either(real: DockerLab, real_spec: StartSpec) -> None:
    """Of the caller's task, while it reads."""
    before = await processes(real, real_spec)
    reading = asyncio.Event()

    async def use() -> None:
        async with opened(real, real_spec) as terminal:
            await read_until(terminal, b"$ ")
            reading.set()
            await terminal.read()

    task = asyncio.create_task(use())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: processes(real, real_spec), lambda now: len(now) == len(before))


async def test_it_has_no_more_rights_than_its_instance(
    real: DockerLab, real_spec: StartSpec
) -> None:
    async with opened(real, real_spec) as terminal:
        await terminal.resize(TerminalSize(50, 200))
        await terminal.write(b"id -u; grep -E '^(Cap|NoNew)' /proc/self/status; echo do''ne\r")
        said = (await read_until(terminal, b"done\r\n")).decode().split()

    assert "65534" in said
    assert said[said.index("CapEff:") + 1] == said[said.index("CapBnd:") + 1] == "0" * 16
    assert said[said.index("NoNewPrivs:") + 1] == "1"


async def test_a_command_that_is_not_there_says_so_and_ends(
    real: DockerLab, real_spec: StartSpec
) -> None:
    async with opened(real, real_spec, ("/bin/none",)) as terminal:
        said = await read_to_the_end(terminal)
        code = await terminal.exit_code()

    assert b"no such file" in said and code in (126, 127)


async def test_a_flood_waits_for_its_reader(real: DockerLab, real_spec: StartSpec) -> None:
    """What nobody reads is held back where it comes from: the command sleeps in its write."""
    async with opened(real, real_spec, ("/bin/sh", "-c", "exec yes")) as terminal:
        await read_until(terminal, b"y\r\n")

        async def cpu() -> str:
            name = container_name(ROUTING.stack, real_spec.instance_id)
            top = await asyncio.to_thread(real.client.top, name, "-eo pid,stat,time,cmd")
            return next(" ".join(row[1:3]) for row in top["Processes"] if row[-1] == "yes")

        looks = [await cpu()]

        async def again() -> str:
            await asyncio.sleep(0.3)
            looks.append(await cpu())
            return looks[-1]

        await eventually(again, lambda now: now.startswith("S") and looks[-2:] == [now, now])
        await read_until(terminal, b"y\r\n")
