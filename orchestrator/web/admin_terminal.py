"""The admin's terminal in anybody's instance. The audit log has each that was opened, and tried."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER
from starlette.websockets import WebSocket

from ..domain.errors import DistrosError, Unauthorized, UnknownInstance
from ..domain.models import Instance, State
from ..domain.safeguards import AdminSession
from .admin_frame import CALLER, HOME, shown, target_url, viewing
from .mine import own_site
from .record import PAGE
from .services import Services, services
from .templates import texts_of
from .terminal_line import refuse, serve


@viewing
async def terminal(request: Request, svc: Services, session: AdminSession) -> Response:
    found, command = await _named(svc, request.query_params.get("id", ""))
    if found.state is not State.READY or not command:
        svc.admin_sessions.tell(session, texts_of(request).plain("admin.terminal_page.none"))
        return RedirectResponse(target_url("instance", found.id), SEE_OTHER)
    context = {"site": own_site(svc, CALLER, found), "instance": found}
    return shown(request, svc, session, "admin_terminal.html", context)


async def socket(websocket: WebSocket) -> None:
    svc = services(websocket)
    address = svc.gate.clients.shown(websocket)
    instance_id = websocket.query_params.get("id", "")
    try:
        svc.gate.require_own_page(websocket)
        session = svc.admin_sessions.of(websocket)
        if session is None:
            raise Unauthorized("This is for the admin.", hint="Sign in on the admin page.")
        found, command = await _recorded(svc, instance_id, address)
    except DistrosError as error:
        await refuse(websocket, error)
        return
    signed_in = svc.admin_sessions.while_valid(session)
    await serve(websocket, svc, CALLER, found, command, signed_in)


async def _recorded(
    svc: Services, instance_id: str, address: str
) -> tuple[Instance, tuple[str, ...]]:
    """Raises UnknownInstance; StoreUnavailable: without its line in the log there is none."""
    result = UnknownInstance.code
    try:
        found, command = await _named(svc, instance_id)
        if not command:
            raise UnknownInstance(instance_id)
        result = "ok"
        return found, command
    finally:
        await svc.safety.note(PAGE, "open_terminal", instance_id, result, address)


async def _named(svc: Services, instance_id: str) -> tuple[Instance, tuple[str, ...]]:
    """Raises UnknownInstance."""
    found = await svc.leases.get(CALLER, instance_id[:100])
    return found, svc.terminals.command(found)


ROUTES: list[BaseRoute] = [
    Route(f"{HOME}terminal", terminal),
    WebSocketRoute(f"{HOME}terminal/socket", socket),
]
