"""The site's pages. A GET only shows; every change is a POST that answers with a redirect.

All of them work without JavaScript: the modules in `frontend/static/js` only make them live.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER

from ..domain import at_home
from ..domain.errors import DistrosError, NotRenewable
from ..domain.models import Caller, Instance, State
from ..service.captcha import Widget
from . import words
from .bodies import read_form
from .catalogue import recipe_url_of
from .documents import shown_to
from .errors import status_of
from .landing import Entry, show_landing
from .mine import Own, links_of, own_site
from .record import recorded
from .services import Services, services
from .templates import page, pages_of, texts_of

ROBOTS = """User-agent: *
Disallow: /admin
Disallow: /api/
Disallow: /instances/
Disallow: /s/
Disallow: /sites
"""
LOG_LINES = 40  # of an ended site, on its page


async def landing(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    asked = request.query_params
    entry = Entry(
        distribution=asked.get("distribution", ""),
        query=asked.get("q", "")[:100],
        category=asked.get("category", ""),
    )
    response = await show_landing(request, caller, entry)
    svc.gate.remember(response, caller)
    return response


async def launch(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    form = await read_form(request)
    entry = Entry(distribution=form.get("distribution", ""), name=form.get("name", ""))
    try:
        svc.gate.require_form_token(caller, form)
        instance = await svc.launcher.launch(
            caller, entry.distribution, name=entry.name, proof=proof_in(form, svc.captcha.widget)
        )
    except DistrosError as error:
        response = await show_landing(request, caller, entry, error)
    else:
        ready = instance.state is State.READY
        response = _to_site(svc, caller, instance) if ready else _on(instance)
    svc.gate.remember(response, caller)
    return response


def proof_in(form: Mapping[str, str], widget: Widget | None) -> str:
    """What our own script, a provider's, or neither has filled in."""
    fields = (widget.field,) if widget else ("captcha", "patience")
    return next(filter(None, map(form.get, fields)), "")


async def instance(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    found = await svc.leases.get(caller, request.path_params["id"])
    return await _show(request, svc, caller, found)


async def go(request: Request) -> Response:
    """To the site itself as soon as it is ready; the waiting page comes back here until then."""
    svc = services(request)
    caller = svc.gate.identify(request)
    found = await svc.leases.get(caller, request.path_params["id"])
    if found.state is State.READY:
        return _to_site(svc, caller, found)
    return await _show(request, svc, caller, found)


async def renew(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    svc.gate.require_form_token(caller, await read_form(request))
    try:
        return _to(await svc.leases.renew(caller, request.path_params["id"]))
    except NotRenewable as error:
        found = await svc.leases.get(caller, request.path_params["id"])
        return await _show(request, svc, caller, found, refused=error)


async def delete(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    svc.gate.require_form_token(caller, await read_form(request))
    return _to(await svc.leases.delete(caller, request.path_params["id"]))


async def static_file(request: Request) -> Response:
    return pages_of(request).assets.serve(request)


async def robots(request: Request) -> Response:
    """What is somebody's own is not for search engines, even where one knows its address."""
    return PlainTextResponse(ROBOTS, headers={"Cache-Control": "public, max-age=86400"})


def _on(instance: Instance) -> RedirectResponse:
    """It may be ready before the browser is there."""
    return RedirectResponse(f"/instances/{instance.id}/go", SEE_OTHER)


def _to(instance: Instance) -> RedirectResponse:
    return RedirectResponse(f"/instances/{instance.id}", SEE_OTHER)


def _to_site(svc: Services, caller: Caller, instance: Instance) -> RedirectResponse:
    """Its owner is signed in there, where the application can do that: by a link which is used up
    on arrival."""
    document = shown_to(svc, caller, instance)
    link = document.login.link if document.login and instance.owner == caller.visitor else None
    url = link or document.url
    return RedirectResponse(url, SEE_OTHER, headers={"Cache-Control": "no-store"})


async def _show(
    request: Request,
    svc: Services,
    caller: Caller,
    instance: Instance,
    refused: NotRenewable | None = None,
) -> Response:
    """The page that fits the instance's state; 410 once it is over."""
    site, t = own_site(svc, caller, instance), texts_of(request)
    context: dict[str, Any] = {
        "site": site,
        "instance": site.instance,
        "distribution": site.distribution,
    }
    if instance.state.pending:
        svc.waiting.seen(instance.id)
        context["startup"] = svc.pace.startup(instance.distribution)
        context["log"] = await _log_on_demand(request, svc, caller, instance)
        return page(request, "waiting.html", context)
    if instance.state is State.READY:
        context["refused"] = words.told(t, refused) if refused else None
        context["links"] = links_of(svc, t, site.instance)
        status = status_of(refused) if refused else 200
        return page(request, "instance.html", context, status=status)
    context["log"] = await _last_lines(svc, caller, instance) if instance.state.ended else ""
    context["commands"] = _at_home(svc, site)
    return page(request, "ended.html", context, status=410)


async def _log_on_demand(
    request: Request, svc: Services, caller: Caller, instance: Instance
) -> str | None:
    """None unless it was asked for. A container that is not there yet has said nothing."""
    if "log" not in request.query_params:
        return None
    try:
        return await _last_lines(svc, caller, instance)
    except DistrosError:
        return ""


async def _last_lines(svc: Services, caller: Caller, instance: Instance) -> str:
    text = await svc.leases.log(caller, instance.id)
    return "\n".join(text.splitlines()[-LOG_LINES:])


def _at_home(svc: Services, site: Own) -> tuple[str, ...]:
    """How to have the same on a computer of one's own."""
    if site.distribution is None or not site.distribution.listed:
        return ()
    return at_home.commands(site.distribution, recipe_url_of(svc, site.distribution))


routes: list[BaseRoute] = [
    Route("/", landing),
    Route("/robots.txt", robots),
    Route("/launch", recorded(launch), methods=["POST"]),
    Route("/instances/{id}", instance),
    Route("/instances/{id}/go", go),
    Route("/instances/{id}/renew", recorded(renew), methods=["POST"]),
    Route("/instances/{id}/delete", recorded(delete), methods=["POST"]),
    Route("/static/{version}/{path:path}", static_file),
]
