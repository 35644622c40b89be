"""Every change that an admin asks for gets a line in the audit log, whatever comes of it."""

import functools
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ..domain.errors import DistrosError
from ..domain.models import ADMIN, Caller
from ..domain.outages import StoreUnavailable
from .services import Services, services

log = structlog.get_logger(__name__)

PAGE = "admin page"  # the actor of what is done there
LONGEST_NAME = 40  # characters of a token's name

Handler = Callable[[Request], Awaitable[Response]]


def recorded(handler: Handler) -> Handler:
    """The action is the handler's name. The target is the path's id, or what the handler puts
    into `request.state.target`; the result likewise, else what the answer's status says."""

    @functools.wraps(handler)
    async def record(request: Request) -> Response:
        result = "internal"
        try:
            response = await handler(request)
            failed = response.status_code >= 400
            result = f"status_{response.status_code}" if failed else "ok"
            return response
        except DistrosError as error:
            result = error.code
            raise
        finally:
            caller: Caller | None = getattr(request.state, "caller", None)
            if caller is not None and caller.admin:
                target = getattr(request.state, "target", request.path_params.get("id", ""))
                result = getattr(request.state, "result", result)
                await _note(request, caller, handler.__name__, target, result)

    return record


async def _note(request: Request, caller: Caller, action: str, target: str, result: str) -> None:
    svc = services(request)
    actor = actor_of(svc, caller)
    try:
        await svc.safety.note(actor, action, target, result, svc.gate.clients.shown(request))
    except StoreUnavailable:  # the log has it
        log.warning("audit entry not kept", action=action, target=target)


def actor_of(svc: Services, caller: Caller) -> str:
    if caller.visitor == PAGE:
        return PAGE
    if caller.visitor == ADMIN:
        return "admin token"
    token_id = caller.visitor.removeprefix("token:")
    return f"token {svc.tokens.name_of(token_id)[:LONGEST_NAME]} ({token_id})"
