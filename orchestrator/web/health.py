"""`/healthz`: the process answers. `/readyz`: a launch would work, and nothing needs a look."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .schemas import HealthDocument
from .services import services


async def healthz(request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    checks = await services(request).checkup.checks()
    ready = all(check.error is None for check in checks)
    document = HealthDocument(
        status="ok" if ready else "unavailable",
        checks={check.name: check.error.message if check.error else "ok" for check in checks},
    )
    headers = {} if ready else {"Retry-After": "5"}
    return JSONResponse(document.model_dump(), status_code=200 if ready else 503, headers=headers)


ROUTES = [Route("/healthz", healthz), Route("/readyz", readyz)]
