"""Of a container that runs only its share of the CPU is changed, to one of two."""

from typing import Any

import httpx
import pytest

from orchestrator.engine.container import CPU_SHARES, RESTRAINED_CPU_SHARES

from .conftest import FOREIGN, NAME, OWN, Engine

pytestmark = pytest.mark.anyio


async def update(guarded: httpx.AsyncClient, document: Any, container: str = OWN) -> httpx.Response:
    return await guarded.post(f"/v1.41/containers/{container}/update", json=document)


@pytest.mark.parametrize("shares", [CPU_SHARES, RESTRAINED_CPU_SHARES])
@pytest.mark.parametrize("container", [OWN, NAME])
async def test_to_one_of_two(
    guarded: httpx.AsyncClient, engine: Engine, shares: int, container: str
) -> None:
    assert (await update(guarded, {"CpuShares": shares}, container)).is_success
    assert engine.calls[-1] == f"POST /v1.41/containers/{OWN}/update"
    assert engine.asked[-1].content == b'{"CpuShares":%d}' % shares


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"CpuShares": 1024},
        {"CpuShares": "16"},
        {"cpushares": 16},
        {"CpuShares": 16, "cpushares": 4096},
        {"CpuShares": 16, "Memory": 0},
        {"CpuShares": 16, "PidsLimit": -1},
        {"NanoCpus": 0},
        {"RestartPolicy": {"Name": "always"}},
        {"Devices": []},
    ],
)
async def test_nothing_else_is(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any]
) -> None:
    assert (await update(guarded, document)).status_code == 403
    assert engine.asked == []


async def test_what_is_sent_on_is_what_was_understood(
    guarded: httpx.AsyncClient, engine: Engine
) -> None:
    assert (await update(guarded, {"CpuShares": 16.0})).is_success
    assert engine.asked[-1].content == b'{"CpuShares":16}'


async def test_anothers_container_is_left_alone(guarded: httpx.AsyncClient, engine: Engine) -> None:
    assert (await update(guarded, {"CpuShares": 16}, FOREIGN)).status_code == 403
    assert engine.calls == [f"GET /v1.41/containers/{FOREIGN}/json"]
