"""The visitor's own sites on one page, the page behind a shared link, the choice of language."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER

from ..domain.models import Caller, State
from ..domain.safeguards import Scope
from .bodies import read_form
from .mine import links_of, own_site, own_sites
from .security import COOKIE_AGE
from .services import services
from .templates import page, pages_of, texts_of
from .texts import COOKIE

ANYBODY = Caller("", scope=Scope.READ)  # who is told no password


async def sites(request: Request) -> Response:
    svc, t = services(request), texts_of(request)
    own = own_sites(svc, svc.gate.identify(request))
    ready = (each.instance for each in own if each.instance.state is State.READY)
    context = {"own": own, "links": {each.id: links_of(svc, t, each) for each in ready}}
    return page(request, "sites.html", context)


async def shared(request: Request) -> Response:
    """Address and clock for whoever has the link; no more than the address itself tells."""
    svc, t = services(request), texts_of(request)
    instance_id = svc.sharing.instance_id(request.path_params["token"])
    instance = await svc.ledger.find(instance_id) if instance_id else None
    if instance is None or instance.pooled:
        raise HTTPException(404)
    site = own_site(svc, ANYBODY, instance)
    over = instance.state is State.STOPPING or instance.state.ended
    context = {"site": site, "over": over, "qr": None}
    if instance.state is State.READY:
        context["qr"] = links_of(svc, t, site.instance).qr
    return page(request, "shared.html", context, status=410 if over else 200)


async def choose_language(request: Request) -> Response:
    svc = services(request)
    svc.gate.identify(request)
    form = await read_form(request)
    response = RedirectResponse(local_path(form.get("back", "")), SEE_OTHER)
    language = form.get("language", "")
    if language in pages_of(request).texts:
        response.set_cookie(
            COOKIE,
            language,
            max_age=int(COOKIE_AGE.total_seconds()),
            secure=svc.settings.site_url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return response


def local_path(wanted: str) -> str:
    """A page of ours to go back to; anything that a browser could take for another site is the
    front page instead."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if plain and wanted.startswith("/") and not wanted.startswith("//") else "/"


routes: list[BaseRoute] = [
    Route("/sites", sites),
    Route("/s/{token}", shared),
    Route("/language", choose_language, methods=["POST"]),
]
