from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .browser import chromium
from .stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, for all tests of this run; its capacity is 40, and it has no pool."""
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(
        folder,
        name="distros-test",
        port=28080,
        subnet="10.218.0.0/16",
        DISTROS_EGRESS_SUBNET="10.219.0.0/16",
        DISTROS_CAPACITY="40",
        DISTROS_POOL_LIMIT="0",
        DISTROS_BRING_IMAGES="false",
    ) as started:
        yield started


@pytest.fixture(scope="module")  # its loop would be in the way of asynchronous tests
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started
