from collections.abc import Iterator

import pytest

from .stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, for all tests of this run; its capacity is 40."""
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(
        folder, name="distros-test", port=28080, subnet="10.218.0.0/16", DISTROS_CAPACITY="40"
    ) as started:
        yield started
