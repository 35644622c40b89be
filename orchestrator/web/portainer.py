"""`/portainer/templates.json`: what is listed, for the app templates of anybody's Portainer.

Portainer asks without a token, so the file is as public as the catalogue is; decision 0029.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..domain.portainer import templates
from .catalogue import A_WHILE
from .services import services

PATH: Final = "/portainer/templates.json"


async def app_templates(request: Request) -> Response:
    svc = services(request)
    pictures = {slug: picture.url(slug) for slug, picture in svc.pictures.items()}
    offered = [(each, pictures.get(each.slug)) for each in svc.catalog.listed()]
    file = templates(offered, svc.settings.site_origin)
    return JSONResponse(file, headers={"Cache-Control": A_WHILE})


ROUTES: list[BaseRoute] = [Route(PATH, app_templates)]
