"""The part of the API that is about instances: launch, look, renew, delete, take away."""

import re
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..domain.errors import InvalidRequest
from ..domain.models import Caller, Instance, State
from ..domain.outages import LaunchFailed
from ..service.ledger import is_settled
from .bodies import read_json
from .documents import answered, shown_to
from .events import instance_events
from .operations import EVENT_STREAM, Answer, Operation
from .schemas import InstanceDocument, InstanceList, LaunchRequest
from .services import Services, services
from .take_away import MEDIA_TYPE as ARCHIVE
from .take_away import take_site_away

LONGEST_WAIT = 120  # seconds that `Prefer: wait` may ask for
PREFER_WAIT = re.compile(r"\bwait=(\d{1,6})\b")
DELETE_WAIT = 5.0  # seconds
DELETE_TAKES = 0.2  # seconds, usually
FINDING = (401, 404, 429, 503)  # problems of every operation on an instance
REQUEST_KEY = re.compile(r"^[!-~]{1,128}$")


async def launch_instance(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    asked = await read_json(request, LaunchRequest)
    instance = await svc.launcher.launch(
        caller,
        asked.distribution,
        name=asked.name,
        lifetime=None if asked.lifetime is None else timedelta(seconds=asked.lifetime),
        request_key=_request_key(request),
        proof=asked.captcha,
    )
    instance = await _wait(svc, caller, instance, request.headers.get("prefer", ""))
    if instance.state is State.FAILED:
        raise LaunchFailed(f"{instance.id}: {instance.detail or instance.reason}")
    request.state.target = f"{instance.id} {instance.distribution}"
    document = shown_to(svc, caller, instance)
    status = 202 if instance.state.pending else 201
    response = answered(document, status, Location=f"{request.url.path}/{instance.id}")
    svc.gate.remember(response, caller)
    return response


def _request_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not REQUEST_KEY.match(key):
        raise InvalidRequest(
            "The Idempotency-Key cannot be used.", hint="Use 1 to 128 visible ASCII characters."
        )
    return key


async def _wait(svc: Services, caller: Caller, instance: Instance, prefer: str) -> Instance:
    """As long as `Prefer: wait=SECONDS` says, until the launch has succeeded or failed for good, or
    the service is to leave; not at all where the caller has as many streams and waits as allowed.

    Raises Unauthorized where the caller's token ends first.
    """
    match = PREFER_WAIT.search(prefer)
    if match and svc.limits.may_stream(caller):

        def decided(now: Instance) -> bool:
            return is_settled(now) and now.state is not State.STOPPING

        try:
            seconds = min(int(match[1]), LONGEST_WAIT)
            async with svc.stopping.timeout(seconds), svc.tokens.while_valid(caller):
                with svc.limits.stream(caller), svc.waiting.attended(instance.id):
                    return await svc.ledger.until(instance.id, decided) or instance
        except TimeoutError:
            svc.gate.require_valid(caller)
            return await svc.ledger.find(instance.id) or instance
    return instance


async def list_instances(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    documents = [shown_to(svc, caller, each) for each in svc.leases.live(caller)]
    return answered(InstanceList(instances=documents))


async def get_instance(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    instance = await svc.leases.get(caller, request.path_params["id"])
    svc.waiting.seen(instance.id)
    return answered(shown_to(svc, caller, instance))


async def delete_instance(request: Request) -> Response:
    """Answers once the engine has confirmed the removal, or after a few seconds of waiting; soon,
    where the engine is away."""
    svc = services(request)
    instance = await svc.leases.delete(svc.gate.identify(request), request.path_params["id"])
    if not await _gone_within(svc, instance, DELETE_TAKES) and await svc.health.engine_answers():
        await _gone_within(svc, instance, DELETE_WAIT)
    return Response(status_code=204)  # if it is not gone, the removal goes on and holds the place


async def _gone_within(svc: Services, instance: Instance, seconds: float) -> bool:
    try:
        async with svc.stopping.timeout(seconds):
            await svc.ledger.until(instance.id, lambda now: now.state.ended)
    except TimeoutError:
        return False
    return True


async def renew_instance(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    instance = await svc.leases.renew(caller, request.path_params["id"])
    return answered(shown_to(svc, caller, instance))


async def get_logs(request: Request) -> Response:
    svc = services(request)
    text = await svc.leases.log(svc.gate.identify(request), request.path_params["id"])
    return PlainTextResponse(text, headers={"Cache-Control": "no-store"})


def _header(name: str, description: str, pattern: re.Pattern[str]) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern.pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}


INSTANCE = Answer("The instance.", InstanceDocument)
OPERATIONS = (
    Operation(
        "POST",
        "/instances",
        launch_instance,
        "Launch an instance",
        {
            201: Answer("It is ready.", InstanceDocument, ("Location",)),
            202: Answer("It is on its way.", InstanceDocument, ("Location",)),
        },
        (400, 401, 404, 408, 409, 413, 415, 422, 429, 502, 503),
        body=LaunchRequest,
        parameters=(
            _header(
                "Idempotency-Key",
                "A repeated launch with the same key is the same launch.",
                REQUEST_KEY,
            ),
            _header(
                "Prefer",
                "`wait=SECONDS`: answer once the site is ready, or after that time.",
                PREFER_WAIT,
            ),
        ),
    ),
    Operation(
        "GET",
        "/instances",
        list_instances,
        "One's own live instances; everybody's for an admin",
        {200: Answer("Oldest first.", InstanceList)},
        (401, 429, 503),
    ),
    Operation("GET", "/instances/{id}", get_instance, "One instance", {200: INSTANCE}, FINDING),
    Operation(
        "DELETE",
        "/instances/{id}",
        delete_instance,
        "Delete an instance; deleting twice is fine",
        {204: Answer("It is gone, or going.")},
        FINDING,
    ),
    Operation(
        "POST",
        "/instances/{id}/renew",
        renew_instance,
        "Give an instance its whole lifetime again, within the maximum",
        {200: INSTANCE},
        (*FINDING, 409),
    ),
    Operation(
        "GET",
        "/instances/{id}/events",
        instance_events,
        "Its changes, live",
        {200: Answer("`instance` events with its document, then `end`.", EVENT_STREAM)},
        FINDING,
    ),
    Operation(
        "GET",
        "/instances/{id}/logs",
        get_logs,
        "Its output; kept for a while after it is gone",
        {200: Answer("The last lines.", "text/plain")},
        FINDING,
    ),
    Operation(
        "GET",
        "/instances/{id}/take-away",
        take_site_away,
        "Its files and database; for its owner, while it is ready",
        {200: Answer("A tar archive, whole only if the answer ends as it should.", ARCHIVE)},
        (*FINDING, 403, 409, 502),
    ),
)
