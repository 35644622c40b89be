"""The first of the admin's pages: how the service does at this moment."""

from collections import Counter
from collections.abc import Collection
from typing import Any, Final, get_args

from ..domain import capacity
from ..service.meter import Reading
from ..service.synthetic_record import REMEMBERED, Step
from ..settings import Settings
from . import charts
from .services import Services

LOCAL: Final = "127.0.0.1"
SHOWN_RUNS: Final = 12  # of the synthetic launch, in the table


async def overview(svc: Services) -> dict[str, Any]:
    return {
        "checks": await svc.checkup.checks(),
        "stocks": svc.pool_sizes.stocks(),
        "differences": svc.reconciler.found,
        "consumer": svc.consumer,
        "loops": {name: each for name, each in svc.background.loops.items() if each.failures},
        "loop_count": len(svc.background.loops),
        "dashboards": _dashboards(svc.settings),
        **_capacity(svc),
        **_synthetic(svc),
    }


def _capacity(svc: Services) -> dict[str, Any]:
    places = capacity.places(svc.ledger.live.values(), svc.settings.capacity)
    queued = svc.ledger.counts().queued
    shortage = svc.pressure.shortage
    readings = svc.meter.look().values()
    limit = capacity.limit(
        places,
        paused=svc.safety.paused is not None,
        short=shortage is not None,
        queued=queued,
        turns=svc.settings.start_concurrency,
    )
    free, reserve = svc.pressure.free_memory, int(svc.settings.memory_reserve)
    sizes = [each.memory for each in readings]
    return {
        "capacity": svc.settings.capacity,
        "places": places,
        "place_pieces": charts.segments(places.parts),
        "queued": queued,
        "limit": limit.value,
        "shortage": shortage,
        "fitting": capacity.fitting(free, reserve, sizes) if free is not None else None,
        "used": _used(readings),
    }


def _used(readings: Collection[Reading]) -> dict[str, float]:
    """By all that were measured; CPU time is not known of those seen once."""
    return {
        "n": len(readings),
        "cpu": sum(each.cpu or 0.0 for each in readings),
        "memory": sum(each.memory for each in readings),
    }


def _synthetic(svc: Services) -> dict[str, Any]:
    record = svc.synthetic.record
    kinds = [run.outcome for run in record.runs]
    return {
        "synthetic": svc.synthetic,
        "record": record,
        "runs": list(record.runs)[: -SHOWN_RUNS - 1 : -1],
        "run_pieces": charts.strip(kinds, REMEMBERED),
        "outcomes": dict(Counter(kinds).most_common()),
        "steps": get_args(Step),
    }


def _dashboards(settings: Settings) -> dict[str, str]:
    """Where they are, and how one comes to those that answer on the server alone; "" for not."""
    found = {"traefik": settings.dashboard_url, "portainer": settings.portainer_url}
    ports = [url.port for url in found.values() if url is not None and url.host == LOCAL]
    ways = " ".join(f"-L {port}:{LOCAL}:{port}" for port in ports)
    urls = {name: str(url or "") for name, url in found.items()}
    return urls | {"tunnel": f"ssh {ways} {settings.site_domain}" if ways else ""}
