"""What has been: launches and endings by day, how fast starts were, how synthetic ones fared."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..domain import history
from ..domain.history import OTHERS, Days, What
from ..domain.models import WANTED
from ..domain.safeguards import AdminSession
from . import charts
from .admin_frame import HOME, shown, viewing
from .services import Services
from .templates import texts_of

SPANS: Final = (14, 30, 90)  # days
SAMPLE: Final = 2_000  # latest starts from which percentiles are computed
_WORST_FIRST: Final = ("failed", "worked", "skipped")


@viewing
async def show(request: Request, svc: Services, session: AdminSession) -> Response:
    asked = request.query_params.get("days", "")
    span = next((each for each in SPANS if str(each) == asked), SPANS[0])
    days = history.latest(svc.ledger.now().date(), span)
    counts = await svc.ledger.store.counts(days[0])
    launches = history.launches(counts, days)
    t = texts_of(request)
    context = {
        "spans": SPANS,
        "span": span,
        **_launches(launches),
        "series_names": [
            each if each != OTHERS else t("admin.history.others") for each in launches.series
        ],
        "speeds": _speeds(history.speeds(await svc.ledger.store.starts(SAMPLE))),
        "endings": _endings(history.sums(counts, What.ENDING, days)),
        **_synthetic(history.outcomes(counts, days), history.sums(counts, What.SYNTHETIC, days)),
    }
    return shown(request, svc, session, "admin_history.html", context)


def _launches(days: Days) -> dict[str, Any]:
    top = charts.nice(days.highest)
    return {"days": days, "top": top, "columns": charts.columns(days, top)}


def _speeds(speeds: list[history.Speed]) -> list[tuple[history.Speed, Any, Any]]:
    """All start-ups are drawn to one scale, and all waits to another."""
    waits = [each.wait for each in speeds if each.wait]
    longest_start = max((each.start.p99 for each in speeds), default=0.0)
    longest_wait = max((each.p99 for each in waits), default=0.0)
    return [
        (
            each,
            charts.bars(each.start, longest_start),
            charts.bars(each.wait, longest_wait) if each.wait else [],
        )
        for each in speeds
    ]


def _endings(by_reason: Mapping[str, int]) -> list[tuple[str, int, list[charts.Piece]]]:
    """Those that nobody wanted have a colour of their own."""
    most = max(by_reason.values(), default=0)
    return [
        (reason, n, charts.segments({"ready" if reason in WANTED else "failed": n}, most))
        for reason, n in by_reason.items()
    ]


def _synthetic(rows: Mapping[Any, Mapping[str, int]], sums: Mapping[str, int]) -> dict[str, Any]:
    """A day is drawn as the worst that has happened in it."""
    worst = [next(filter(row.get, _WORST_FIRST), "none") for row in rows.values()]
    return {
        "tried": sums,
        "tried_rows": rows,
        "tried_days": list(rows),
        "tried_pieces": charts.strip(worst, len(rows)),
    }


ROUTES: list[BaseRoute] = [Route(f"{HOME}history", show)]
