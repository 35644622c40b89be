"""A program's output from a real Docker Engine, and how it is taken apart."""

import itertools
import threading
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import CommandFailed
from orchestrator.engine import output

from .conftest import DockerLab, eventually, make_spec

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=10)
RIGHTS = "id -u; grep -E 'NoNewPrivs|CapBnd|Seccomp:' /proc/self/status; test ! -w / && echo shut"


def framed(channel: int, payload: bytes) -> bytes:
    return bytes([channel, 0, 0, 0]) + len(payload).to_bytes(4) + payload


@given(FRAMES, st.data())
def test_frames_are_told_apart_wherever_they_were_cut(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(framed(*each) for each in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(cuts)]
    read = list(output.frames(pieces))
    for channel in (1, 2):
        expected = b"".join(payload for each, payload in sent if each == channel)
        assert b"".join(payload for each, payload in read if each == channel) == expected


async def run(real: DockerLab, *command: str) -> bytes:
    spec = make_spec()
    await real.engine.start(spec)
    async with aclosing(real.engine.output(spec.instance_id, command)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_it_runs_with_the_applications_rights_and_no_more(real: DockerLab) -> None:
    said = (await run(real, "sh", "-c", RIGHTS)).decode().split()
    assert said == [
        *("65534", "CapBnd:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2", "shut"),
    ]


async def test_every_byte_arrives(real: DockerLab) -> None:
    received = await run(real, "sh", "-c", "head -c 20000000 /dev/zero; echo end")
    assert received == bytes(20_000_000) + b"end\n"


async def test_what_it_says_of_a_failure_is_not_in_its_output(real: DockerLab) -> None:
    with pytest.raises(CommandFailed, match="It ended with status 3: no room"):
        await run(real, "sh", "-c", "echo no room >&2; exit 3")


async def test_little_is_read_that_nobody_takes_and_closing_ends_it(real: DockerLab) -> None:
    spec = make_spec()
    await real.engine.start(spec)
    command = ["sh", "-c", "head -c 100000000 /dev/zero >/proc/self/fd/1"]
    read: list[int] = []
    original = output.frames

    def counted(pieces: object) -> object:
        for channel, piece in original(pieces):  # type: ignore[arg-type]
            read.append(len(piece))
            yield channel, piece

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "frames", counted)
        async with aclosing(real.engine.output(spec.instance_id, command)) as pieces:
            await anext(pieces)
            streams = [each for each in threading.enumerate() if each.name == "engine-stream"]
            assert len(streams) == 1

            async def settled() -> bool:
                return len(read) > output.AHEAD

            await eventually(settled, bool)
            assert sum(read) <= (output.AHEAD + 3) * output.PIECE

    async def threads() -> int:
        return sum(each.name == "engine-stream" for each in threading.enumerate())

    await eventually(threads, lambda count: count == 0)
