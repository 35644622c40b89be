"""Whose containers and images a call may be about, and what becomes of answers."""

import dataclasses
import io
import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from orchestrator.catalog import Catalog
from orchestrator.guard.service import Guard
from orchestrator.guard.upstream import Upstream

from ..support import WIKI
from .conftest import FOREIGN, NAME, OWN, POLICY, STACK, Engine

pytestmark = pytest.mark.anyio

SOME_IMAGE = f"sha256:{'a' * 64}"
CHANGES = ["POST {}/start", "POST {}/unpause", "DELETE {}?force=True&v=True"]
LOOKS = ["GET {}/json", "GET {}/logs?stdout=1", "GET {}/stats?stream=false&one-shot=true"]


async def ask(guarded: httpx.AsyncClient, call: str, container: str) -> httpx.Response:
    method, target = call.format(f"/v1.41/containers/{container}").split(" ", 1)
    return await guarded.request(method, target)


@pytest.mark.parametrize("container", [FOREIGN, "portainer"])
@pytest.mark.parametrize("call", CHANGES)
async def test_anothers_container_is_not_changed(
    guarded: httpx.AsyncClient, engine: Engine, call: str, container: str
) -> None:
    assert (await ask(guarded, call, container)).status_code == 403
    assert engine.calls == [f"GET /v1.41/containers/{container}/json"]


@pytest.mark.parametrize("container", [FOREIGN, "portainer", "none"])
@pytest.mark.parametrize("call", LOOKS)
async def test_anothers_container_looks_like_none(
    guarded: httpx.AsyncClient, engine: Engine, call: str, container: str
) -> None:
    assert (await ask(guarded, call, container)).status_code == 404
    assert engine.calls == [f"GET /v1.41/containers/{container}/json"]


@pytest.mark.parametrize("call", CHANGES)
async def test_what_is_changed_is_the_id_that_was_looked_at(
    guarded: httpx.AsyncClient, engine: Engine, call: str
) -> None:
    """A name may be another's a moment later."""
    assert (await ask(guarded, call, NAME)).is_success
    look, change = engine.calls
    assert look == f"GET /v1.41/containers/{NAME}/json"
    assert change.split("?")[0] == call.format(f"/v1.41/containers/{OWN}").split("?")[0]


async def test_a_container_is_looked_at_once(guarded: httpx.AsyncClient, engine: Engine) -> None:
    for _ in range(3):
        await ask(guarded, CHANGES[0], OWN)
    assert len(engine.calls) == 4


async def test_one_that_it_has_created_needs_no_look(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, object]
) -> None:
    created = await guarded.post(f"/v1.41/containers/create?name={NAME}", json=document)
    await ask(guarded, CHANGES[0], created.json()["Id"])
    assert engine.calls[1:] == [f"POST /v1.41/containers/{'1' * 64}/start"]


async def test_one_of_another_stack_is_anothers(guarded: httpx.AsyncClient, engine: Engine) -> None:
    labels = {"distros.managed": "true", "distros.stack": f"{STACK}-2"}
    engine.reply = lambda _: httpx.Response(
        200, json={"Id": "2" * 64, "Config": {"Labels": labels}}
    )
    assert (await ask(guarded, CHANGES[0], "2" * 64)).status_code == 403


@pytest.mark.parametrize("path", ["/containers/json", "/v1.41/events"])
@pytest.mark.parametrize(
    "asked", [None, {}, {"label": ["distros.stack=another"]}, {"label": {"a=b": True}}]
)
async def test_lists_and_events_are_of_this_stack_whatever_was_asked(
    guarded: httpx.AsyncClient, engine: Engine, path: str, asked: dict[str, object] | None
) -> None:
    await guarded.get(path, params=None if asked is None else {"filters": json.dumps(asked)})
    (passed,) = engine.asked
    filters = json.loads(parse_qs(passed.url.query.decode())["filters"][0])
    assert {"distros.managed=true", f"distros.stack={STACK}"} <= set(filters["label"])
    assert filters.get("type") == (["container"] if "events" in path else None)


async def test_an_image_with_a_name_is_not_removed(
    guarded: httpx.AsyncClient, engine: Engine
) -> None:
    engine.reply = lambda _: httpx.Response(200, json={"RepoTags": ["portainer/portainer-ce:2"]})
    assert (await guarded.delete(f"/images/{SOME_IMAGE}")).status_code == 403
    assert engine.calls == [f"GET /images/{SOME_IMAGE}/json"]


async def test_a_build_is_of_the_guards_own_copy_whatever_was_sent(
    engine: Engine, tmp_path: Path
) -> None:
    """Its steps run as root."""
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "Dockerfile").write_text("FROM scratch\n")
    policy = dataclasses.replace(POLICY, catalog=Catalog([WIKI], tmp_path))
    guard = Guard(policy, Upstream(httpx.MockTransport(engine.answer)))

    async def sent() -> AsyncIterator[bytes]:
        yield b"FROM debian:trixie-slim\n"
        yield b"ADD http://169.254.169.254/ /\n"

    transport = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
        answer = await client.post(
            "/build?t=test/wiki:1&q=False&nocache=False&rm=True&forcerm=True&pull=False",
            content=sent(),
        )

    (passed,) = engine.asked
    assert (answer.status_code, passed.headers["content-type"]) == (200, "application/x-tar")
    with tarfile.open(fileobj=io.BytesIO(passed.content)) as archive:
        assert archive.getnames() == ["Dockerfile"]
        assert archive.extractfile("Dockerfile").read() == b"FROM scratch\n"  # type: ignore[union-attr]


async def test_answers_and_errors_of_the_engine_come_back_as_they_are(
    guarded: httpx.AsyncClient, engine: Engine
) -> None:
    headers = {"Api-Version": "1.41", "Date": "Sun, 22 Nov 2026 12:00:00 GMT", "X-Other": "1"}
    engine.reply = lambda _: httpx.Response(409, json={"message": "Conflict"}, headers=headers)
    answer = await guarded.get("/version")
    assert (answer.status_code, answer.json()) == (409, {"message": "Conflict"})
    assert answer.headers["Date"] == headers["Date"] and "X-Other" not in answer.headers


@pytest.mark.parametrize(
    ("error", "status"),
    [(httpx.ConnectError("refused"), 502), (httpx.ReadTimeout("silent"), 504)],
)
async def test_an_engine_that_is_away_is_told_as_by_a_gateway(
    guarded: httpx.AsyncClient, engine: Engine, error: httpx.HTTPError, status: int
) -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise error

    engine.reply = away
    assert (await guarded.get("/version")).status_code == status
