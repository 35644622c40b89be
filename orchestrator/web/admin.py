"""The admin page: who gets in, and its first page, which says how the service does.

The admin's password, or their token, is typed into a form once and exchanged for a session
(`sessions.py`). A wrong one is answered a second later, and after ten of them nobody signs in from
that address for a while. The audit log has every attempt that was looked at.
"""

from asyncio import sleep
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER

from . import admin_actions, admin_history, admin_pages, admin_terminal
from .admin_frame import CALLER, HOME, shown
from .admin_overview import overview
from .bodies import read_form
from .record import recorded
from .services import Services, services
from .templates import page

WRONG_SECRET_PAUSE: Final = 1.0  # seconds


async def home(request: Request) -> Response:
    svc = services(request)
    session = svc.admin_sessions.of(request)
    if session is None:
        return _sign_in_page(request, svc)
    return shown(request, svc, session, "admin.html", await overview(svc))


async def sign_in(request: Request) -> Response:
    """An attempt counts as a wrong one until it has turned out to be right: of many at once, no
    more than the limit are looked at."""
    svc = services(request)
    svc.gate.refuse_cross_site(request)
    form = await read_form(request)
    address, _ = svc.gate.clients.of(request)
    svc.gate.throttle.require(address)
    svc.gate.throttle.failed(address)
    request.state.caller = CALLER
    means = await svc.admin_secrets.means_of(form.get("secret", ""))
    if means is None:
        request.state.result = "wrong_secret"
        await sleep(WRONG_SECRET_PAUSE)
        return _sign_in_page(request, svc, wrong=True)
    request.state.target = f"with the {means}"
    svc.gate.throttle.succeeded(address)
    response = RedirectResponse(HOME, SEE_OTHER)
    await svc.admin_sessions.begin(response)
    return response


def _sign_in_page(request: Request, svc: Services, *, wrong: bool = False) -> Response:
    means = {"token": svc.admin_secrets.has_token, "password": svc.admin_secrets.has_password}
    context = {"means": means, "wrong": wrong}
    return page(request, "admin_sign_in.html", context, status=403 if wrong else 200)


async def without_slash(request: Request) -> Response:
    return RedirectResponse(HOME, 308)


ROUTES: list[BaseRoute] = [
    Route("/admin", without_slash),
    Route(HOME, home),
    Route(f"{HOME}sign-in", recorded(sign_in), methods=["POST"]),
    *admin_pages.ROUTES,
    *admin_history.ROUTES,
    *admin_actions.ROUTES,
    *admin_terminal.ROUTES,
]
