"""A visitor's terminal: its page, and the connection behind it.

Only whoever launched the instance has one, by their cookie; to everybody else, programs with a
token included, it looks as if there were no such instance. A browser sends cookies with a
WebSocket's handshake whatever page has begun it, so that a page of another site could type into the
shell: the handshake must come from a page of ours, by its `Origin`.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER
from starlette.websockets import WebSocket

from ..domain.errors import DistrosError, UnknownInstance
from ..domain.models import State
from .mine import own_site, require_own
from .services import services
from .templates import page
from .terminal_line import refuse, serve


async def terminal(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    found = await require_own(svc, caller, request)
    if found.state is not State.READY or not svc.terminals.command(found):
        return RedirectResponse(f"/instances/{found.id}", SEE_OTHER)
    site = own_site(svc, caller, found)
    context = {"site": site, "instance": site.instance}
    return page(request, "terminal.html", context)


async def socket(websocket: WebSocket) -> None:
    svc = services(websocket)
    try:
        svc.gate.require_own_page(websocket)
        caller = svc.gate.visitor(websocket)
        found = await require_own(svc, caller, websocket)
        command = svc.terminals.command(found)
        if not command:
            raise UnknownInstance(found.id)
    except DistrosError as error:
        await refuse(websocket, error)
        return
    await serve(websocket, svc, caller, found, command)


routes: list[BaseRoute] = [
    Route("/instances/{id}/terminal", terminal),
    WebSocketRoute("/instances/{id}/terminal/socket", socket),
]
