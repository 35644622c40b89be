"""Fault tests act on an engine, disks and clocks of their own, never on the machine's."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.service.conftest import hurried_pool as hurried_pool

from .engine import unusable
from .stand import Stand, stand

LOG_LINES = 40  # of each program, in the report of a test that failed


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """`--long`: as often and for as long as docs/reliability.md says; else a short form."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, long: bool) -> Iterator[Stand]:
    if reason := unusable():
        pytest.skip(reason)
    with stand(tmp_path_factory.mktemp("stand"), hasty=not long) as started:
        yield started


@pytest.fixture
def scene(standing: Stand) -> Iterator[Stand]:
    """The stand, well and empty; after the test, every promise must have been kept."""
    with standing.promised():
        yield standing


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    report = yield
    started = item.funcargs.get("standing")
    if report.failed and started is not None:
        for name, log in started.logs().items():
            if not log.exists():  # the stand has been cleared away since
                continue
            lines = log.read_text(errors="replace").splitlines()
            told = [line for line in lines if '"method": "GET"' not in line]
            report.sections.append((f"last lines of {name}", "\n".join(told[-LOG_LINES:])))
    return report
