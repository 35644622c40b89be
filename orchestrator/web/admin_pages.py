"""What the admin sees beside the overview: instances, one target, a log, safeguards, the record.

Nothing here changes anything. What cannot be undone has a page of its own, the target's or the
token's, which says what it is about before a button does it.
"""

from collections import Counter
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.status import HTTP_303_SEE_OTHER as SEE_OTHER

from ..domain.engine_errors import EngineError
from ..domain.errors import DistrosError, UnknownToken
from ..domain.models import State
from ..domain.outages import EngineUnavailable, StoreUnavailable
from ..domain.safeguards import AdminSession, BanKind
from .admin_frame import CALLER, HOME, SAFEGUARDS, TARGET, shown, target_url, viewing
from .admin_rows import PLAIN, Filter, Order, headings, paged
from .admin_targets import bans_of, launched_by, rows_of, slugs, target_of
from .services import Services
from .templates import texts_of
from .words import told_to_admin

LOG_LINES: Final = 500
AUDIT_ROWS: Final = 200
STATES: Final = (State.QUEUED, State.STARTING, State.READY, State.STOPPING)


@viewing
async def instances(request: Request, svc: Services, session: AdminSession) -> Response:
    wanted, order = Filter.of(request.query_params), Order.of(request.query_params)
    found = filter(wanted.lets, svc.leases.live(CALLER))
    table = paged(order.applied(found, svc.meter.look()), request.query_params.get("page", "1"))
    query = wanted.query | order.query
    context = {
        "rows": await rows_of(svc, table.items),
        "table": table,
        "wanted": wanted,
        "order": order,
        "headings": headings(wanted, order),
        "states": STATES,
        "slugs": slugs(svc),
        "page_url": lambda number: f"?{urlencode(query | {'page': number})}",
    }
    return shown(request, svc, session, "admin_instances.html", context)


@viewing
async def find(request: Request, svc: Services, session: AdminSession) -> Response:
    """From what a report says to the page of what it is about."""
    typed = request.query_params.get("what", "").strip()[:300]
    found = target_of(svc, typed)
    if found is not None and found[0] == "visitor":
        try:
            found = "visitor", await svc.safety.visitor(typed)
        except DistrosError as error:
            svc.admin_sessions.tell(session, told_to_admin(texts_of(request), error))
            return RedirectResponse(SAFEGUARDS, SEE_OTHER)
    if found is None:
        said = texts_of(request).plain("admin.find.unknown", typed=typed)
        svc.admin_sessions.tell(session, said)
        return RedirectResponse(SAFEGUARDS, SEE_OTHER)
    return RedirectResponse(target_url(*found), SEE_OTHER)


@viewing
async def target(request: Request, svc: Services, session: AdminSession) -> Response:
    kind, key = (request.query_params.get(name, "")[:100] for name in ("kind", "key"))
    if kind == "instance":
        chosen = [await svc.leases.get(CALLER, key)]
    else:
        chosen = await launched_by(svc, kind, key)
    rows = await rows_of(svc, chosen)
    row = rows[0] if kind == "instance" else None
    context = {
        "kind": kind,
        "key": key,
        "row": row,
        "rows": rows,
        "headings": PLAIN,
        "running": sum(each.alive for each in rows),
        "bans": bans_of(svc, await svc.safety.bans(), kind, key, row),
    }
    return shown(request, svc, session, "admin_target.html", context)


@viewing
async def log(request: Request, svc: Services, session: AdminSession) -> Response:
    instance = await svc.leases.get(CALLER, request.query_params.get("id", "")[:100])
    text = problem = ""
    try:
        text = await svc.leases.log(CALLER, instance.id)
    except (EngineError, EngineUnavailable, StoreUnavailable) as error:
        problem = error.message
    lines = text.splitlines()
    context = {
        "instance": instance,
        "text": "\n".join(lines[-LOG_LINES:]),
        "left_out": max(len(lines) - LOG_LINES, 0),
        "problem": problem,
    }
    return shown(request, svc, session, "admin_log.html", context)


@viewing
async def safeguards(request: Request, svc: Services, session: AdminSession) -> Response:
    now = svc.ledger.now()
    running = Counter(each.distribution for each in svc.leases.live(CALLER))
    bans = await svc.safety.bans()
    banned = {each.key for each in bans if each.kind is BanKind.DISTRIBUTION}
    context = {
        "bans": bans[::-1],
        "tokens": [(each, each.is_valid(now)) for each in reversed(svc.tokens.listed())],
        "distributions": [(slug, running[slug], slug in banned) for slug in slugs(svc)],
    }
    return shown(request, svc, session, "admin_safeguards.html", context)


@viewing
async def token(request: Request, svc: Services, session: AdminSession) -> Response:
    """The second step of a revocation."""
    wanted = request.query_params.get("id", "")
    found = next((each for each in svc.tokens.listed() if each.id == wanted), None)
    if found is None:
        raise UnknownToken(wanted)
    return shown(request, svc, session, "admin_token.html", {"token": found})


@viewing
async def record(request: Request, svc: Services, session: AdminSession) -> Response:
    entries = await svc.safety.audit(AUDIT_ROWS)
    return shown(request, svc, session, "admin_record.html", {"entries": entries})


ROUTES: list[BaseRoute] = [
    Route(f"{HOME}instances", instances),
    Route(f"{HOME}find", find),
    Route(TARGET, target),
    Route(f"{HOME}log", log),
    Route(SAFEGUARDS, safeguards),
    Route(f"{HOME}token", token),
    Route(f"{HOME}record", record),
]
