"""Every change that an admin asks for gets a line in the audit log, whatever comes of it."""

import functools
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ..domain.errors import DistrosError, StoreUnavailable
from ..domain.models import Caller
from .services import services

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def recorded(handler: Handler) -> Handler:
    """The action is the handler's name. The target is the path's id, or what the handler puts
    into `request.state.target`."""

    @functools.wraps(handler)
    async def record(request: Request) -> Response:
        result = "internal"
        try:
            response = await handler(request)
            result = "ok"
            return response
        except DistrosError as error:
            result = error.code
            raise
        finally:
            caller: Caller | None = getattr(request.state, "caller", None)
            if caller is not None and caller.admin:
                target = getattr(request.state, "target", request.path_params.get("id", ""))
                await _note(request, caller.visitor, handler.__name__, target, result)

    return record


async def _note(request: Request, actor: str, action: str, target: str, result: str) -> None:
    try:
        await services(request).safety.note(actor, action, target, result)
    except StoreUnavailable:  # the log has it
        log.warning("audit entry not kept", action=action, target=target)
