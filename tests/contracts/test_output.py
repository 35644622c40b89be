"""A program's output from a real Docker Engine, and how it is taken apart."""

import itertools
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.engine_errors import CommandFailed
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
    frames = output.Frames()
    read = [each for piece in pieces for each in frames.of(piece)]
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


async def test_it_waits_for_who_takes_and_throws_the_rest_away_once_nobody_does(
    real: DockerLab,
) -> None:
    spec = make_spec()
    await real.engine.start(spec)
    count = "for i in $(seq 100); do head -c 1000000 /dev/zero; echo $i >/data/count; done"

    async def counted(*, before: str | None = None) -> str:
        """Once it has not changed between two looks."""
        async with aclosing(real.engine.output(spec.instance_id, ["cat", "/data/count"])) as said:
            now = b"".join([piece async for piece in said]).decode()
        return now if now == before else await counted(before=now)

    async with aclosing(real.engine.output(spec.instance_id, ["sh", "-c", count])) as pieces:
        taken = 0
        while taken < 2_000_000:
            taken += len(await anext(pieces))
        assert 1 <= int(await counted()) < 50
    await eventually(counted, lambda now: now == "100\n")
