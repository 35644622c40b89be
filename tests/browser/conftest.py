from collections.abc import AsyncIterator

import pytest

from .site import Site, site, sites


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for a module's tests, so that they share a browser."""
    return "asyncio"


@pytest.fixture(scope="module")
async def on(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The service with the real catalogue, of which Drupal's image is missing; it has no pool."""
    async with site(
        tmp_path_factory.mktemp("site"), missing=["drupal"], pool_limit=0, capacity=100
    ) as started:
        yield started


@pytest.fixture(autouse=True)
async def visitors_leave(anyio_backend: str) -> AsyncIterator[None]:
    """Whatever comes of a test."""
    yield
    for each in sites:
        await each.leave()


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def scripted(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found
