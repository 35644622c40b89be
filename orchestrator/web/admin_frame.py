"""What all of the admin's pages have in common: who may see them, and how a form acts.

A page that is asked for without a session leads to the sign-in. A form counts only from a page of
the same session; whatever comes of it is in the audit log, and the next page says it.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER

from ..domain.errors import DistrosError
from ..domain.models import Caller
from ..domain.safeguards import AdminSession
from .bodies import read_form
from .record import PAGE, recorded
from .safety_schemas import KINDS
from .services import Services, services
from .templates import page, texts_of
from .words import told_to_admin

HOME: Final = "/admin/"
SAFEGUARDS: Final = f"{HOME}safeguards"
TARGET: Final = f"{HOME}target"
CALLER: Final = Caller(PAGE, admin=True)

Form = Mapping[str, str]
View = Callable[[Request, Services, AdminSession], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Done:
    message: str  # a sentence or two
    then: str  # the page that says it
    over: bool = False  # the session ends with it


Action = Callable[[Request, Services, Form], Awaitable[Done]]


def viewing(view: View) -> Handler:
    @functools.wraps(view)
    async def handle(request: Request) -> Response:
        svc = services(request)
        session = svc.admin_sessions.of(request)
        if session is None:
            return RedirectResponse(HOME, SEE_OTHER)
        return await view(request, svc, session)

    return handle


def acting(action: Action) -> Handler:
    """A POST by whoever is signed in; the audit log calls it by the action's name."""

    @functools.wraps(action)
    async def act(request: Request) -> Response:
        svc = services(request)
        session = request.state.session
        svc.admin_sessions.require_form_token(session, request.state.form)
        done = await action(request, svc, request.state.form)
        response = RedirectResponse(done.then, SEE_OTHER)
        if done.over:
            await svc.admin_sessions.end(session, response)
        else:
            svc.admin_sessions.tell(session, done.message)
        return response

    return _from_a_page(recorded(act))


def _from_a_page(act: Handler) -> Handler:
    @functools.wraps(act)
    async def handle(request: Request) -> Response:
        svc = services(request)
        svc.gate.refuse_cross_site(request)
        session = svc.admin_sessions.of(request)
        if session is None:
            return RedirectResponse(HOME, SEE_OTHER)
        form = await read_form(request)
        request.state.session, request.state.form = session, form
        request.state.caller = CALLER
        try:
            return await act(request)
        except DistrosError as error:
            t = texts_of(request)
            said = t("admin.done.nothing", why=told_to_admin(t, error))
            svc.admin_sessions.tell(session, said)
            return RedirectResponse(_back(form), SEE_OTHER)

    return handle


def _back(form: Form) -> str:
    kind, key = form.get("kind", ""), form.get("key", "")
    return target_url(kind, key) if kind in KINDS and key else SAFEGUARDS


def target_url(kind: str, key: str) -> str:
    return f"{TARGET}?{urlencode({'kind': kind, 'key': key})}"


def shown(
    request: Request,
    svc: Services,
    session: AdminSession,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
) -> Response:
    frame = {
        "form_token": svc.admin_sessions.form_token(session),
        "message": svc.admin_sessions.message(session),
        "pause": svc.safety.paused,
        "place": request.url.path,
        "target_url": target_url,
    }
    return page(request, template, frame | dict(context), status=status)
