"""The only place where errors become responses: a problem document, or a page for people."""

from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..domain import engine_errors, errors, limits_exceeded, outages
from ..domain.errors import DistrosError
from .schemas import Problem
from .templates import page, texts_of
from .words import told

log = structlog.get_logger(__name__)

# The most special class that fits decides.
STATUS: dict[type[DistrosError], int] = {
    errors.InvalidRequest: 422,
    errors.UnknownDistribution: 404,
    errors.UnknownInstance: 404,
    errors.NotRenewable: 409,
    errors.RenewalBanned: 403,
    errors.NotToTake: 409,
    errors.IdempotencyConflict: 409,
    errors.UnknownHost: 421,
    errors.Unauthorized: 401,
    errors.CrossSiteRequest: 403,
    errors.OutdatedForm: 403,
    errors.InsufficientScope: 403,
    errors.CaptchaRequired: 403,
    errors.CaptchaFailed: 403,
    errors.Banned: 403,
    errors.DistributionBanned: 403,
    errors.UnknownToken: 404,
    errors.UnknownBan: 404,
    errors.UnknownVisitor: 404,
    errors.MalformedRequest: 400,
    errors.UnsupportedMediaType: 415,
    errors.RequestTooLarge: 413,
    errors.RequestTimeout: 408,
    outages.NotSupported: 501,
    outages.LaunchFailed: 502,
    engine_errors.PackingFailed: 502,
    limits_exceeded.TooMany: 429,
    outages.Unavailable: 503,
    DistrosError: 500,
}

HINTS = {
    404: "Check the address.",
    405: "The Allow header lists the methods that are possible here.",
}
FOR_VISITORS = {404: "error.nothing_here", 405: "error.not_possible"}


def status_of(error: DistrosError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def on_distros_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DistrosError)
    status = status_of(error)
    log.info("refused", code=error.code, status=status, error=error.message)
    headers = {}
    if isinstance(error, outages.Unavailable | limits_exceeded.TooMany):
        headers["Retry-After"] = str(error.retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    message, hint = error.message, error.hint
    if not _for_programs(request):
        message, hint = told(texts_of(request), error)
    return _respond(request, status, error.code, message, hint, headers)


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    detail = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not possible at {request.url.path}.",
    }.get(error.status_code, str(error.detail))
    hint = HINTS.get(error.status_code)
    if not _for_programs(request) and (key := FOR_VISITORS.get(error.status_code)):
        t = texts_of(request)
        detail = t.plain(key, path=request.url.path, method=request.method)
        hint = t.plain(f"{key}_hint")
    return _respond(request, error.status_code, code, detail, hint, dict(error.headers or {}))


async def on_unexpected(request: Request, error: Exception) -> Response:
    """The traceback is in the log (Starlette raises it again); nobody else sees it."""
    message, hint = "Something went wrong on our side.", DistrosError.hint
    if not _for_programs(request):
        message, hint = told(texts_of(request), DistrosError(message))
    return _respond(request, 500, DistrosError.code, message, hint, {})


def _for_programs(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def _respond(
    request: Request,
    status: int,
    code: str,
    detail: str,
    hint: str | None,
    headers: dict[str, str],
) -> Response:
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=request.scope.get("request_id"),
    )
    if _for_programs(request):
        return JSONResponse(
            problem.model_dump(mode="json", exclude_none=True),
            status_code=status,
            headers=headers,
            media_type="application/problem+json",
        )
    return page(request, "error.html", {"problem": problem}, status=status, headers=headers)


HANDLERS = {
    DistrosError: on_distros_error,
    HTTPException: on_http_exception,
    Exception: on_unexpected,
}
