"""The HTTP API, version 1."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from .. import __version__
from . import instances_api, safety_api
from .backups import MEDIA_TYPE, get_backup, restore_backup
from .documents import answered, listing_of
from .operations import Answer, Operation, openapi, routes
from .schemas import (
    DifferenceDocument,
    DifferenceList,
    DistributionList,
    PercentilesDocument,
    PoolDocument,
    PoolList,
    RestoredDocument,
    StatsDocument,
)
from .services import services

PREFIX = "/api/v1"


async def list_distributions(request: Request) -> Response:
    svc = services(request)
    documents = [listing_of(svc, distribution) for distribution in svc.catalog.listed()]
    return answered(DistributionList(distributions=documents))


async def get_stats(request: Request) -> Response:
    svc = services(request)
    stats = await svc.statistics.read()
    counts = svc.ledger.counts()
    return answered(
        StatsDocument(
            capacity=svc.settings.capacity,
            live=svc.ledger.sites + counts.pooled,
            pooled=counts.pooled,
            queued=counts.queued,
            by_state=dict(stats.by_state),
            launches=dict(stats.launches),
            endings=dict(stats.endings),
            startup={slug: PercentilesDocument.of(each) for slug, each in stats.startup.items()},
        )
    )


async def list_pool(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    documents = [
        PoolDocument(
            distribution=stock.distribution.slug,
            ready=stock.ready,
            starting=stock.starting,
            target=stock.target,
            min=stock.distribution.pool.min,
            max=stock.distribution.pool.max,
        )
        for stock in svc.pool_sizes.stocks()
    ]
    return answered(PoolList(pool=documents))


async def list_differences(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    documents = [DifferenceDocument.of(each) for each in svc.reconciler.found]
    return answered(DifferenceList(compared_at=svc.reconciler.compared_at, differences=documents))


OPERATIONS = (
    Operation(
        "GET",
        "/distributions",
        list_distributions,
        "What can be launched",
        {200: Answer("The catalogue.", DistributionList)},
        public=True,
    ),
    *instances_api.OPERATIONS,
    Operation(
        "GET",
        "/stats",
        get_stats,
        "Counts and start-up times",
        {200: Answer("As far back as is remembered.", StatsDocument)},
        (503,),
        public=True,
    ),
    Operation(
        "GET",
        "/pool",
        list_pool,
        "What is started and ready before anybody asks; for an admin",
        {200: Answer("Every distribution that has a pool.", PoolList)},
        (401, 429),
    ),
    *safety_api.OPERATIONS,
    Operation(
        "GET",
        "/differences",
        list_differences,
        "On what engine, store and proxy did not agree at the last comparison; for an admin",
        {200: Answer("With the reason and the repair of each.", DifferenceList)},
        (401, 429),
    ),
    Operation(
        "GET",
        "/backup",
        get_backup,
        "The database of this moment as a file; for an admin",
        {200: Answer("An SQLite database.", MEDIA_TYPE)},
        (401, 429, 501, 503),
    ),
    Operation(
        "PUT",
        "/backup",
        restore_backup,
        "Put a backup in the database's place; what runs goes on; for an admin",
        {200: Answer("It is restored.", RestoredDocument)},
        (401, 413, 422, 429, 501, 503),
        body=MEDIA_TYPE,
    ),
)


async def openapi_document(request: Request) -> Response:
    svc = services(request)
    return JSONResponse(
        openapi(
            OPERATIONS,
            prefix=PREFIX,
            version=__version__,
            server=svc.settings.site_origin,
            cookie=svc.gate.cookie,
        )
    )


ROUTES = [
    Mount(PREFIX, routes=routes(OPERATIONS)),
    Route("/api/openapi.json", openapi_document),
]
