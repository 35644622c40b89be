"""Traefik's own view of its routes, as its API tells it."""

import httpx
import pytest

from orchestrator.domain.outages import ProxyUnavailable
from orchestrator.service.routes import NoRoutes, Route, Routes, TraefikRoutes

pytestmark = pytest.mark.anyio

# As 3.7.15 answers, shortened.
ROUTERS = [
    {"name": "distros-abcdefghijkm@docker", "provider": "docker", "status": "enabled"},
    {
        "name": "distros-mkjihgfedcba@docker",
        "provider": "docker",
        "status": "disabled",
        "error": ['middleware "nothing@file" does not exist', "and more"],
    },
    {"name": "catch-all@file", "provider": "file", "status": "enabled"},
    {"name": "dashboard@internal", "provider": "internal", "status": "enabled"},
]


async def ask(answer: httpx.Response | Exception) -> tuple[dict[str, Route], list[str]]:
    """What it makes of the answer, and what it has asked for."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if isinstance(answer, Exception):
            raise answer
        return answer

    routes = TraefikRoutes("http://traefik:9989/", httpx.MockTransport(handle))
    try:
        return dict(await routes.all()), asked
    finally:
        await routes.close()


async def test_one_request_brings_all_routes_that_containers_have_made() -> None:
    routes, asked = await ask(httpx.Response(200, json=ROUTERS))

    assert asked == ["http://traefik:9989/api/http/routers?per_page=1000000"]
    assert routes == {
        "distros-abcdefghijkm": Route("distros-abcdefghijkm"),
        "distros-mkjihgfedcba": Route(
            "distros-mkjihgfedcba",
            enabled=False,
            error='middleware "nothing@file" does not exist; and more',
        ),
    }


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"an": "object"}),
        httpx.Response(200, json=[{"name": "no provider"}]),
    ],
    ids=["away", "no API", "no JSON", "no list", "no router"],
)
async def test_whatever_else_answers_is_told_as_unavailable(
    answer: httpx.Response | Exception,
) -> None:
    with pytest.raises(ProxyUnavailable, match="The proxy does not tell its routes"):
        await ask(answer)


async def test_where_the_admin_entrypoint_is_not_known_nobody_is_asked() -> None:
    nobody: Routes = NoRoutes()
    assert await nobody.all() is None
