"""The admin page: how the service does, for whoever has the admin's token.

The token is typed into a form once and exchanged for a session: a signed cookie that holds for
twelve hours, that no script reads and no other site's request carries. Signing out ends it, and so
does another token. A wrong token is answered a second later, and after ten of them nobody signs in
from that address for a while.
"""

import asyncio
from collections import Counter
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from .bodies import read_form
from .services import Services, services
from .templates import page

HOME: Final = "/admin/"
SEE_OTHER: Final = 303
WRONG_TOKEN_PAUSE: Final = 1.0  # seconds
SHOWN_RUNS: Final = 12  # of the synthetic launch

PARTS: Final = {
    "engine": "Docker Engine",
    "proxy": "Proxy",
    "store": "Database",
    "pressure": "Disk and memory",
    "events": "Events of the engine",
    "loops": "Background work",
    "launch": "Synthetic launch",
}


async def home(request: Request) -> Response:
    svc = services(request)
    if not svc.admin_sessions.holds(request):
        return _sign_in_page(request, svc)
    return page(request, "admin.html", await _overview(svc))


async def sign_in(request: Request) -> Response:
    svc = services(request)
    svc.gate.refuse_cross_site(request)
    form = await read_form(request)
    address, _ = svc.gate.clients.of(request)
    svc.gate.throttle.require(address)
    if not svc.gate.is_admins(form.get("token", "")):
        svc.gate.throttle.failed(address)
        await asyncio.sleep(WRONG_TOKEN_PAUSE)
        return _sign_in_page(request, svc, wrong=True)
    response = RedirectResponse(HOME, SEE_OTHER)
    svc.admin_sessions.begin(response)
    return response


async def sign_out(request: Request) -> Response:
    svc = services(request)
    svc.gate.refuse_cross_site(request)
    response = RedirectResponse(HOME, SEE_OTHER)
    svc.admin_sessions.end(request, response)
    return response


def _sign_in_page(request: Request, svc: Services, *, wrong: bool = False) -> Response:
    context = {"possible": svc.gate.has_admin, "wrong": wrong}
    return page(request, "admin_sign_in.html", context, status=403 if wrong else 200)


async def _overview(svc: Services) -> dict[str, Any]:
    live = svc.ledger.live.values()
    states = Counter(each.state.value for each in live if not each.pooled)
    record = svc.synthetic.record
    return {
        "checks": [(PARTS[check.name], check.error) for check in await svc.checkup.checks()],
        "states": states,
        "counts": svc.ledger.counts(),
        "capacity": svc.settings.capacity,
        "stocks": svc.pool_sizes.stocks(),
        "differences": svc.reconciler.found,
        "consumer": svc.consumer,
        "synthetic": svc.synthetic,
        "record": record,
        "runs": list(record.runs)[: -SHOWN_RUNS - 1 : -1],
        "loops": {name: each for name, each in svc.background.loops.items() if each.failures},
        "loop_count": len(svc.background.loops),
    }


async def without_slash(request: Request) -> Response:
    return RedirectResponse(HOME, 308)


ROUTES: list[BaseRoute] = [
    Route("/admin", without_slash),
    Route(HOME, home),
    Route(f"{HOME}sign-in", sign_in, methods=["POST"]),
    Route(f"{HOME}sign-out", sign_out, methods=["POST"]),
]
