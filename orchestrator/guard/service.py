"""Takes each call, has it recognised, looks at whose it is, passes it on."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ..domain.naming import LABEL_DISTRIBUTION
from ..engine.container import CPU_SHARES, RESTRAINED_CPU_SHARES
from ..engine.routing import managed_labels
from . import calls, contexts, creation, documents, execs
from .calls import Call, Kind
from .creation import Policy
from .documents import LONGEST
from .handover import Handover
from .refusals import Refused
from .upstream import ANSWER, SILENCE, Relay, Upstream

BODY_DEADLINE: Final = 10.0  # seconds, for a document
REMEMBERED: Final = 10_000  # ids; one is asked for again where it was forgotten

_STREAMS: Final = {Kind.EVENTS, Kind.LOGS, Kind.BUILD, Kind.PULL, Kind.START_EXEC}
_CHANGES: Final = {Kind.START, Kind.UNPAUSE, Kind.UPDATE, Kind.REMOVE, Kind.EXEC}
_OF_A_CONTAINER: Final = {Kind.INSPECT_CONTAINER, Kind.LOGS, Kind.STATS} | _CHANGES

# All that is ever changed of a container.
_UPDATES: Final = [{"CpuShares": CPU_SHARES}, {"CpuShares": RESTRAINED_CPU_SHARES}]

log = structlog.get_logger(__name__)


class Guard:
    """An ASGI application."""

    def __init__(self, policy: Policy, engine: Upstream) -> None:
        self._policy = policy
        self._engine = engine
        # Of the containers that were seen to be this stack's: id → the distribution's slug.
        self._own: dict[str, str] = {}
        self._execs: dict[str, dict[str, Any]] = {}  # created here: id → how it may be started

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"] or b""
        what = f"{request.method} {path.decode('ascii', 'backslashreplace')}"
        try:
            response = await self._answer(request, path)
            log.debug("passed", call=what)
        except Refused as refused:
            say = log.debug if refused.status == httpx.codes.NOT_FOUND else log.warning
            say("refused", call=what, reason=refused.reason)
            response = _problem(
                refused.status, f"The socket guard refuses this call: {refused.reason}."
            )
        except httpx.TimeoutException:
            response = _problem(504, "The Docker Engine does not answer the socket guard in time.")
        except httpx.HTTPError as error:
            log.warning("engine away", call=what, error=str(error) or type(error).__name__)
            response = _problem(502, "The socket guard cannot reach the Docker Engine.")
        except ClientDisconnect:
            return
        try:
            await response(scope, receive, send)
        except httpx.HTTPError as error:  # uvicorn cuts off what has begun and is not complete
            log.warning("cut off", call=what, error=str(error) or type(error).__name__)

    async def _answer(self, request: Request, path: bytes) -> Response:
        """Raises Refused, httpx.HTTPError."""
        call = calls.recognise(request.method, path, request.scope["query_string"])
        match call.kind:
            case Kind.PING | Kind.VERSION:
                return await self._pass(call)
            case Kind.LIST_CONTAINERS | Kind.EVENTS:
                asked = calls.own_filters(call, self._policy.stack)
                return await self._pass(call, query={**call.query, "filters": asked})
            case Kind.CREATE:
                return await self._create(call, await _document(request))
            case Kind.UPDATE:
                return await self._update(call, await _document(request))
            case Kind.EXEC:
                return await self._exec(call, await _document(request))
            case Kind.START_EXEC:
                return await self._start_exec(call, await _document(request))
            case Kind.RESIZE_EXEC | Kind.INSPECT_EXEC:
                self._require_exec(call)
            case _ if call.kind in _OF_A_CONTAINER:
                return await self._pass(call, target=await self._own_id(call))
            case Kind.INSPECT_NETWORK:
                if call.target not in self._policy.networks:
                    raise Refused("this network is not the instances'")
            case Kind.INSPECT_IMAGE:
                if not calls.is_image_id(call.target):
                    self._policy.image(call.target or "")
            case Kind.LIST_IMAGES:
                calls.filters(call)
            case Kind.REMOVE_IMAGE:
                await self._check_nameless(call)
            case Kind.PULL:
                self._policy.image(calls.pulled(call))
                return await self._pass(call, headers=_credentials(request))
            case Kind.BUILD:
                return await self._build(call, request)
        return await self._pass(call)

    async def _pass(
        self,
        call: Call,
        *,
        target: str | None = None,
        query: Mapping[str, str] | None = None,
        body: AsyncIterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return await self._engine.stream(
            call.method,
            call.url(_quoted(target or call.target)),
            call.query if query is None else query,
            body=body,
            silence=SILENCE if call.kind in _STREAMS else ANSWER,
            headers=headers,
        )

    async def _create(self, call: Call, body: bytes) -> Response:
        document = creation.admitted(body, call.query.get("name"), self._policy)
        url = str(httpx.URL(call.url(), params=dict(call.query)))
        answer = await self._engine.ask("POST", url, body=document)
        if answer.status_code == httpx.codes.CREATED:
            self._remember(answer.json()["Id"], document["Labels"])
        return _as_it_is(answer)

    async def _update(self, call: Call, body: bytes) -> Response:
        asked = documents.parse(body)
        if asked not in _UPDATES:
            raise Refused("of a container only its share of the CPU is changed, to one of two")
        document = _UPDATES[_UPDATES.index(asked)]
        url = call.url(await self._own_id(call))
        return _as_it_is(await self._engine.ask("POST", url, body=document))

    async def _exec(self, call: Call, body: bytes) -> Response:
        container = await self._own_id(call)
        slug = self._own[container]
        distribution = next((each for each in self._policy.catalog if each.slug == slug), None)
        admitted = execs.admitted(body, distribution)
        answer = await self._engine.ask("POST", call.url(container), body=admitted.document)
        if answer.status_code == httpx.codes.CREATED:
            if len(self._execs) >= REMEMBERED:
                del self._execs[next(iter(self._execs))]  # the oldest
            self._execs[answer.json()["Id"]] = admitted.start
        return _as_it_is(answer)

    def _require_exec(self, call: Call) -> dict[str, Any]:
        """One that was created here. Raises Refused."""
        start = self._execs.get(call.target or "")
        if start is None:
            raise Refused("this exec was not created here")
        return start

    async def _start_exec(self, call: Call, body: bytes) -> Response:
        start = self._require_exec(call)
        execs.check_start(body, start)
        if start["Detach"]:
            return _as_it_is(await self._engine.ask("POST", call.url(), body=start))
        if not start["Tty"]:  # it is only read
            headers = {"Content-Type": "application/json"}
            return await self._pass(call, body=json.dumps(start).encode(), headers=headers)
        taken = await self._engine.take_over(call.url(), start)
        return taken if isinstance(taken, Relay) else Handover(taken)

    async def _own_id(self, call: Call) -> str:
        """Of a container of this stack. Another's is not to be seen, let alone changed; what is
        passed on is the id that was looked at. Raises Refused."""
        target = call.target or ""
        if target in self._own:
            return target
        answer = await self._engine.ask("GET", f"{call.version}/containers/{_quoted(target)}/json")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise Refused("there is no such container", status=404)
        found = answer.raise_for_status().json()
        labels = found["Config"]["Labels"] or {}
        if not managed_labels(self._policy.stack).items() <= labels.items():
            raise Refused(
                "this container is not one of this stack's",
                status=403 if call.kind in _CHANGES else 404,
            )
        container: str = found["Id"]
        self._remember(container, labels)
        return container

    def _remember(self, container: str, labels: Mapping[str, str]) -> None:
        if len(self._own) >= REMEMBERED:
            self._own.clear()
        self._own[container] = labels.get(LABEL_DISTRIBUTION, "")

    async def _check_nameless(self, call: Call) -> None:
        """Others' images have names. Raises Refused."""
        answer = await self._engine.ask("GET", call.version + f"/images/{call.target}/json")
        if answer.is_success and answer.json().get("RepoTags"):
            raise Refused("an image with a name is not removed")

    async def _build(self, call: Call, request: Request) -> Response:
        distribution = self._policy.image(call.query.get("t", ""))
        if not distribution.image.build:
            raise Refused("this image is pulled, not built")
        await contexts.discard(request)
        context = contexts.archive(self._policy.catalog.folder(distribution.slug))
        headers = {"Content-Type": "application/x-tar"} | _credentials(request)
        return await self._pass(call, body=context, headers=headers)


def _as_it_is(answer: httpx.Response) -> Response:
    return Response(
        answer.content, answer.status_code, media_type=answer.headers.get("content-type")
    )


def _quoted(target: str | None) -> str | None:
    return quote(target, safe="/:") if target else None


def _problem(status: int, message: str) -> Response:
    """In the form of the engine's own errors, so that its clients show it."""
    return JSONResponse({"message": message}, status)


def _credentials(request: Request) -> dict[str, str]:
    """For registries."""
    names = ("x-registry-auth", "x-registry-config")
    return {name: request.headers[name] for name in names if name in request.headers}


async def _document(request: Request) -> bytes:
    """Raises Refused."""
    if request.headers.get("content-type") != "application/json":
        raise Refused("the body must be application/json")
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or not length.isdecimal():
        raise Refused("the body's length must be told", status=411)
    if int(length) > LONGEST:
        raise Refused(f"a document has at most {LONGEST} bytes", status=413)
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            return await request.body()
    except TimeoutError:
        raise Refused("the body does not arrive", status=408) from None
