"""What an instance's own host answers while no instance does: starting, not answering, gone.

The proxy sends every such request here. Anyone with the address may read the answer, so it tells
what happened and nothing of the owner's: no log, no login.
"""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import request_response

from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution
from ..domain.models import Instance, State
from ..domain.naming import NOT_LIVE_HEADER, instance_id_of
from ..domain.outages import StoreUnavailable
from . import words
from .services import Services, services
from .templates import page, texts_of
from .texts import Texts

AGAIN = 2  # seconds after which it is worth asking again


@dataclass(frozen=True, slots=True)
class Notice:
    """What there is to say of a host."""

    status: HTTPStatus
    state: str
    title: str
    sentence: str
    again: bool = False  # it may be live in a moment
    ended_at: datetime | None = None
    offer: Distribution | None = None  # what to create anew


async def answer(request: Request) -> Response:
    svc = services(request)
    notice = await _notice(svc, texts_of(request), request.url.hostname or "")
    headers = {
        NOT_LIVE_HEADER: notice.state,
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
    if notice.again:
        headers["Retry-After"] = str(AGAIN)
    if "text/html" not in request.headers.get("accept", ""):
        text = f"{notice.title}. {notice.sentence}\n"
        return PlainTextResponse(text, status_code=int(notice.status), headers=headers)
    context = {"notice": notice, "host": request.url.netloc, "again_in": AGAIN}
    return page(request, "not_live.html", context, status=int(notice.status), headers=headers)


not_live = request_response(answer)


async def _notice(svc: Services, t: Texts, host: str) -> Notice:
    instance_id = instance_id_of(host, svc.settings.instance_domain)
    try:
        instance = await svc.ledger.find(instance_id) if instance_id else None
    except StoreUnavailable:
        return Notice(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            t.plain("not_live.unavailable"),
            t.plain("not_live.unavailable_why"),
            again=True,
        )
    return describe(t, instance, _offer(svc, instance))


def describe(t: Texts, instance: Instance | None, offer: Distribution | None) -> Notice:
    if instance is None or instance.pooled:  # one of the pool is nobody's business yet
        return Notice(
            HTTPStatus.NOT_FOUND,
            "unknown",
            t.plain("not_live.unknown"),
            t.plain("not_live.unknown_why"),
        )
    if instance.state.pending:
        return Notice(
            HTTPStatus.SERVICE_UNAVAILABLE,
            instance.state,
            t.plain("not_live.starting"),
            t.plain(f"stage.{instance.stage}.sentence"),
            again=True,
        )
    if instance.state is State.READY:
        return Notice(
            HTTPStatus.SERVICE_UNAVAILABLE,
            instance.state,
            t.plain("not_live.silent"),
            t.plain("not_live.silent_why"),
            again=True,
        )
    ending = words.ending(t, instance)
    return Notice(
        HTTPStatus.GONE,
        instance.state,
        ending.title,
        ending.sentence,
        ended_at=instance.ended_at,
        offer=offer,
    )


def _offer(svc: Services, instance: Instance | None) -> Distribution | None:
    try:
        distribution = svc.catalog.get(instance.distribution) if instance else None
    except UnknownDistribution:  # it has left the catalogue since
        return None
    return distribution if distribution and distribution.listed else None
