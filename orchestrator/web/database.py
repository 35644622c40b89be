"""To a site's database tool, for whoever launched the site.

The tool is in the image, at the site's own address, which strangers may know. So it opens to nobody
but who brings a ticket, and tickets are made here, at each click of the owner's: good for a minute,
and, as the image keeps to it, once. From then on the browser has a cookie of the site's own.
"""

from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER

from ..domain.errors import UnknownDistribution
from ..domain.models import State
from ..domain.tickets import database_path
from .documents import site_address
from .mine import require_own
from .services import services

GOOD_FOR: Final = timedelta(minutes=1)


async def database(request: Request) -> Response:
    svc = services(request)
    own = await require_own(svc, svc.gate.identify(request), request)
    try:
        distribution = svc.catalog.get(own.distribution)
    except UnknownDistribution:  # it has left the catalogue
        return RedirectResponse(f"/instances/{own.id}", SEE_OTHER)
    if own.state is not State.READY or not (distribution.database and own.password):
        return RedirectResponse(f"/instances/{own.id}", SEE_OTHER)
    until = int((svc.ledger.now() + GOOD_FOR).timestamp())
    path = database_path(distribution.database, own.password, until)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(site_address(own, svc.settings) + path, SEE_OTHER, headers=headers)


routes: list[BaseRoute] = [Route("/instances/{id}/database", database)]
