"""Which calls pass, and whose containers and images they may be about."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from orchestrator.guard import calls
from orchestrator.guard.refusals import Refused
from orchestrator.guard.service import Guard

from .conftest import NAME, OWN, Engine

pytestmark = pytest.mark.anyio

SOME_IMAGE = f"sha256:{'a' * 64}"

PASS = [
    "GET /_ping",
    "HEAD /_ping",
    "GET /version",
    "GET /v1.41/version",
    "GET /containers/json?all=1&limit=-1&size=0&trunc_cmd=0",
    "GET /events?since=1.5&until=2",
    f"GET /containers/{NAME}/json",
    f"GET /v1.41/containers/{OWN}/logs?stdout=1&stderr=1&tail=200",
    f"GET /v1.41/containers/{OWN}/stats?stream=false&one-shot=true",
    f"POST /containers/{OWN}/start",
    f"POST /containers/{OWN}/unpause",
    f"DELETE /containers/{OWN}?v=True&link=False&force=True",
    "GET /networks/distros-sandbox",
    "GET /networks/distros-sandbox-2",
    "GET /images/test/wiki:1/json",
    f"GET /images/{SOME_IMAGE}/json",
    "GET /images/json?filters=%7B%22dangling%22%3A%7B%22true%22%3Atrue%7D%7D",
    "GET /images/json?only_ids=0&all=0&filters=%7B%22dangling%22%3A+%5B%22true%22%5D%7D",
    f"DELETE /images/{SOME_IMAGE}",
    f"DELETE /images/{SOME_IMAGE}?force=False&noprune=False",
    "POST /images/create?tag=2&fromImage=a%2Ftool",
]
NEVER = [
    "POST /_ping",
    "GET /info",
    "GET /secrets",
    "GET /networks",
    "GET /networks/bridge",
    "GET /networks/distros_edge",
    "GET /volumes",
    "POST /session",
    "POST /networks/create",
    "POST /networks/distros-sandbox/connect",
    "POST /volumes/create",
    "POST /swarm/init",
    "POST /containers/prune",
    "POST /images/prune",
    "POST /exec/x/resize",
    *(
        f"POST /containers/{OWN}/{verb}"
        for verb in ("exec", "attach", "update", "kill", "stop", "pause", "restart", "rename")
    ),
    f"GET /containers/{OWN}/export",
    f"GET /containers/{OWN}/archive?path=/etc/shadow",
    f"PUT /containers/{OWN}/archive?path=/",
    f"GET /containers/{OWN}/attach/ws",
    f"POST /containers/{OWN}/start?detachKeys=x",
    f"GET /containers/{OWN}/logs?follow=1",
    *(
        f"GET /containers/{OWN}/stats{query}"
        for query in (
            "",
            "?stream=false",
            "?one-shot=true",
            "?stream=true&one-shot=true",
            "?stream=false&one-shot=false",
            "?stream=0&one-shot=1",
            "?stream=false&one-shot=true&x=1",
            "?stream=false&stream=true&one-shot=true",
        )
    ),
    "GET /images/x/get",
    "GET /images/debian:trixie-slim/json",
    "POST /images/load",
    "DELETE /images/test/wiki:1",
    f"DELETE /images/{SOME_IMAGE}?force=1",
    "POST /images/create",
    "POST /images/create?fromImage=test/wiki",
    "POST /images/create?fromImage=debian&tag=trixie-slim",
    "POST /images/create?fromSrc=http://192.0.2.1/x",
    "POST /images/create?fromImage=test/wiki&tag=1&fromSrc=http://192.0.2.1/x",
    "POST /images/create?fromImage=test/wiki&tag=1&from%53rc=http://192.0.2.1/x",
    "POST /images/create?fromImage=test/wiki&tag=1&tag=2",
    "POST /build",
    "POST /build?t=debian:trixie-slim",
    "POST /build?t=distros-orchestrator",
    "POST /build?t=a/tool:2",
    "POST /build?t=test/wiki:1&t=debian:trixie-slim",
    "POST /build?t=test/wiki:1&remote=http://192.0.2.1/x",
    "POST /build?t=test/wiki:1&networkmode=host",
    "POST /build?t=test/wiki:1&network%6Dode=host",
    "POST /build?t=test/wiki:1&cgroupparent=/",
    'POST /build?t=test/wiki:1&labels={"distros.managed":"true"}',
    "POST /build?t=test/wiki:1&extrahosts=a:127.0.0.1",
    "POST /build?t=test/wiki:1&version=2&session=x",
    # The same calls in disguise.
    "GET //version",
    "GET /version/",
    "GET /versions",
    "GET /version%00",
    "GET /v1.41/v1.41/version",
    "GET /v1.41/../info",
    "GET /v1.41",
    "GET /containers/x/../../info",
    "GET /containers/x%2f..%2f..%2finfo/json",
    "GET /containers/x%2Fexport?/json",
    "GET /containers/%78/json",
    "GET /images/x/get?/json",
    "GET /images/x/../../containers/x/export/json",
    "GET /images//json",
    "get /version",
    "GET http://docker/info",
    "GET /version?x;y",
    "GET /containers/json?filters=%5B%5D",
    'GET /containers/json?filters={"label":["a"],"label":["b"]}',
    'GET /containers/json?filters={"volume":["/"]}',
    'GET /events?filters={"label":{"a":false}}',
    "GET /containers/json?all=1&ALL=0&All=2",
]


async def ask(guard: Guard, call: str) -> int:
    """The status. The path goes as it is: no client may tidy it up."""
    method, target = call.split(" ", 1)
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [],
    }
    statuses = []
    bodies = [b""]

    async def receive() -> Message:
        if not bodies:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": bodies.pop()}

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    await guard(scope, receive, send)
    return int(statuses[0] or 0)


@pytest.mark.parametrize("call", PASS)
async def test_what_the_orchestrator_needs_passes(guard: Guard, engine: Engine, call: str) -> None:
    assert await ask(guard, call) == 200
    passed = engine.calls[-1].split("?")[0]
    assert passed == call.split("?")[0].replace(NAME, OWN)


@pytest.mark.parametrize("call", NEVER)
async def test_what_it_does_not_need_is_refused(guard: Guard, engine: Engine, call: str) -> None:
    assert (await ask(guard, call), engine.asked) == (403, [])


@pytest.mark.parametrize("path", [b"/images/x/../y/json", b"/images/x//y/json"])
def test_a_reference_does_not_climb(path: bytes) -> None:
    with pytest.raises(Refused):
        calls.recognise("GET", path, b"")


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), st.binary(max_size=60), st.binary())
def test_no_bytes_confuse_it(method: str, path: bytes, query: bytes) -> None:
    try:
        call = calls.recognise(method, b"/containers/" + path, query)
    except Refused:
        return
    assert ".." not in call.url() and "//" not in call.url()
