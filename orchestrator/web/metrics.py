"""`/metrics`, for Prometheus, with the admin's token."""

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .services import services


async def metrics(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    text = svc.measuring.exposition(await svc.checkup.checks())
    headers = {"Cache-Control": "no-store"}
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4, headers=headers)


ROUTES = [Route("/metrics", metrics)]
