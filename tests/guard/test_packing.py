"""What packs a site that is taken away: the catalogue's program, in containers of its own."""

import json
from typing import Any

import httpx
import pytest

from orchestrator.engine.output import output_document

from .conftest import EXECUTION, FOREIGN, NAME, OWN, Engine

pytestmark = pytest.mark.anyio

COMMAND = ["take-away", "--all"]
DOCUMENT = output_document(COMMAND)
START = {"Detach": False, "Tty": False}


@pytest.fixture
def packed(engine: Engine) -> Engine:
    """Our container is one of a distribution that may be taken away."""
    engine.labels = {"distros.distribution": "packed"}
    return engine


async def test_the_catalogues_program_is_run_with_no_more_than_it_needs(
    guarded: httpx.AsyncClient, packed: Engine
) -> None:
    answer = await guarded.post(f"/v1.41/containers/{NAME}/exec", json=DOCUMENT)
    assert (answer.status_code, answer.json()) == (201, {"Id": EXECUTION})
    passed = packed.asked[-1]
    assert passed.url.path == f"/v1.41/containers/{OWN}/exec"
    assert json.loads(passed.content) == DOCUMENT
    started = await guarded.post(f"/v1.41/exec/{EXECUTION}/start", json=START)
    assert started.status_code == 200
    assert json.loads(packed.asked[-1].content) == START
    assert (await guarded.get(f"/v1.41/exec/{EXECUTION}/json")).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"Cmd": ["sh"]},
        {"Cmd": ["take-away"]},
        {"Cmd": [*COMMAND, "/etc"]},
        {"Cmd": "take-away --all"},
        {"Cmd": []},
        {"Tty": True},
        {"AttachStdin": True},
        {"AttachStdout": False},
        {"Privileged": True},
        {"User": "root"},
        {"User": "0"},
        {"Env": ["LD_PRELOAD=/tmp/x.so"]},
        {"WorkingDir": "/srv"},
        {"DetachKeys": "x"},
        {"cmd": ["sh"]},
        {"ConsoleSize": [1, 1]},
    ],
    ids=str,
)
async def test_any_other_is_refused(
    guarded: httpx.AsyncClient, packed: Engine, changed: dict[str, Any]
) -> None:
    answer = await guarded.post(f"/containers/{OWN}/exec", json=DOCUMENT | changed)
    assert answer.status_code == 403
    assert not any(call.endswith("/exec") for call in packed.calls)


@pytest.mark.parametrize("slug", ["wiki", "tool", "", "nosuch"])
async def test_a_container_of_another_distribution_does_not_run_it(
    guarded: httpx.AsyncClient, engine: Engine, slug: str
) -> None:
    engine.labels = {"distros.distribution": slug}
    answer = await guarded.post(f"/containers/{OWN}/exec", json=DOCUMENT)
    assert answer.status_code == 403
    assert engine.calls == [f"GET /containers/{OWN}/json"]


@pytest.mark.parametrize("container", [FOREIGN, "portainer"])
async def test_nothing_is_run_in_anothers_container(
    guarded: httpx.AsyncClient, packed: Engine, container: str
) -> None:
    answer = await guarded.post(f"/containers/{container}/exec", json=DOCUMENT)
    assert answer.status_code == 403
    assert packed.calls == [f"GET /containers/{container}/json"]


async def test_one_that_somebody_else_has_created_is_neither_started_nor_looked_at(
    guarded: httpx.AsyncClient, packed: Engine
) -> None:
    assert (await guarded.post(f"/exec/{EXECUTION}/start", json=START)).status_code == 403
    assert (await guarded.get(f"/exec/{EXECUTION}/json")).status_code == 403
    assert packed.calls == []


@pytest.mark.parametrize("changed", [{"Detach": True}, {"Tty": True}, {"ConsoleSize": [1, 1]}])
async def test_it_is_started_only_to_be_read(
    guarded: httpx.AsyncClient, packed: Engine, changed: dict[str, Any]
) -> None:
    await guarded.post(f"/containers/{OWN}/exec", json=DOCUMENT)
    answer = await guarded.post(f"/exec/{EXECUTION}/start", json=START | changed)
    assert answer.status_code == 403
    assert not any("/start" in call for call in packed.calls)


async def test_what_it_has_created_itself_it_knows_by_its_labels(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any]
) -> None:
    created = await guarded.post(f"/containers/create?name={NAME}", json=document)
    answer = await guarded.post(f"/containers/{created.json()['Id']}/exec", json=DOCUMENT)
    assert answer.status_code == 403  # a wiki's
    assert engine.calls == ["POST /containers/create?name=" + NAME]
