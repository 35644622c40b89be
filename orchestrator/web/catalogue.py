"""A distribution's own pages: what is inside, the page behind a *Try it* button, and its badge.

The button of somebody else's page only leads to `/launch/<slug>`. The launch itself is a POST from
there, which another site can neither send (`Sec-Fetch-Site`, `Origin`) nor have clicked in a frame
(`frame-ancestors`).
"""

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..domain import at_home
from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from .assets import FOR_EVER
from .cards import card_of
from .drawings import text_width
from .landing import Entry, launch_context
from .recipe import archive
from .services import Services, services
from .templates import page, pages_of, texts_of

A_WHILE = "public, max-age=300"


async def about(request: Request) -> Response:
    """What is inside."""
    return _with_form(request, "about.html")


async def offer(request: Request) -> Response:
    """One thing to do: create a site of this distribution."""
    return _with_form(request, "offer.html")


async def badge(request: Request) -> Response:
    """For README files; the same for everybody, so it speaks English."""
    pages, name = pages_of(request), _listed(request).name
    context = {"name": name, "width": text_width(name)}
    svg = pages.render(request, "badge.svg", context)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": A_WHILE})


async def screenshot(request: Request) -> Response:
    picture = services(request).pictures.get(_listed(request).slug)
    if picture is None:
        raise HTTPException(404)
    current = request.path_params["version"] == picture.version
    headers = {"Cache-Control": FOR_EVER if current else "no-cache"}
    return Response(picture.body, media_type=picture.media_type, headers=headers)


async def recipe(request: Request) -> Response:
    distribution = _listed(request)
    if not (distribution.at_home and distribution.image.build):
        raise HTTPException(404)
    folder = services(request).catalog.folder(distribution.slug)
    packed = await asyncio.to_thread(archive, folder)
    name = f'attachment; filename="{distribution.slug}.tar.gz"'
    headers = {"Cache-Control": A_WHILE, "Content-Disposition": name}
    return Response(packed, media_type="application/gzip", headers=headers)


def _listed(request: Request) -> Distribution:
    """What is not listed has no pages."""
    try:
        found = services(request).catalog.get(request.path_params["slug"])
    except UnknownDistribution:
        raise HTTPException(404) from None
    if not found.listed:
        raise HTTPException(404)
    return found


def _with_form(request: Request, template: str) -> Response:
    """Its visitor is remembered: only who is known can send the form."""
    gate = services(request).gate
    caller = gate.identify(request)
    response = page(request, template, _context(request, _listed(request)))
    gate.remember(response, caller)
    return response


def recipe_url_of(svc: Services, distribution: Distribution) -> str:
    return f"{svc.settings.site_origin}/d/{distribution.slug}/recipe.tar.gz"


def _context(request: Request, distribution: Distribution) -> dict[str, Any]:
    svc, t = services(request), texts_of(request)
    card = card_of(svc, t, distribution)
    site = svc.settings.site_origin
    entry = Entry(distribution=distribution.slug, name=request.query_params.get("name", ""))
    return launch_context(svc, t, entry, possible=card.available) | {
        "card": card,
        "distribution": distribution,
        "startup": svc.pace.startup(distribution.slug),
        "commands": at_home.commands(distribution, recipe_url_of(svc, distribution)),
        "badge_url": f"{site}/d/{distribution.slug}/badge.svg",
        "launch_url": f"{site}/launch/{distribution.slug}",
    }


routes: list[BaseRoute] = [
    Route("/d/{slug}", about),
    Route("/d/{slug}/badge.svg", badge),
    Route("/d/{slug}/screenshot/{version}", screenshot),
    Route("/d/{slug}/recipe.tar.gz", recipe),
    Route("/launch/{slug}", offer),
]
