"""The OpenAPI document tells the truth: Schemathesis tries what it describes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.database import InMemoryExampleDatabase
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support import ADMIN_TOKEN, served

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
CALLERS: dict[str, dict[str, str]] = {
    "admin": ADMIN,
    "visitor": {},
    "another site's page": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
}

schemathesis.serializer.alias("application/vnd.sqlite3", "application/octet-stream")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("api"), capacity=1000) as url:
        yield url


@pytest.fixture
def api_schema(url: str) -> Any:
    # An event stream ends with its instance only; test_api.py reads one.
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
    return schema.exclude(path_regex="/events$")


def token(url: str, scope: str) -> dict[str, str]:
    asked = {"name": scope, "scope": scope}
    made = httpx.post(f"{url}/api/v1/tokens", json=asked, headers=ADMIN, timeout=10)
    return {"Authorization": f"Bearer {made.json()['token']}"}


@pytest.mark.parametrize("who", ["admin", "launch", "read", "visitor", "another site's page"])
def test_the_api_answers_as_it_is_described(api_schema: Any, url: str, who: str) -> None:
    headers = CALLERS[who] if who in CALLERS else token(url, who)
    # Schemathesis' own parametrize() does not run on pytest 9.
    for result in api_schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=25,
            deadline=None,
            database=InMemoryExampleDatabase(),
            suppress_health_check=list(HealthCheck),
        )
        def answers_as_described(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(
                base_url=url,
                headers=headers,
                timeout=10,
                # A name or a lifetime can follow its schema and still not be possible.
                excluded_checks=[positive_data_acceptance],
            )

        answers_as_described()


def test_every_operation_is_described(api_schema: Any) -> None:
    described_ones = {operation.ok().label for operation in api_schema.get_all_operations()}
    assert described_ones == {
        "GET /api/v1/distributions",
        "POST /api/v1/instances",
        "GET /api/v1/instances",
        "GET /api/v1/instances/{id}",
        "DELETE /api/v1/instances/{id}",
        "POST /api/v1/instances/{id}/renew",
        "GET /api/v1/instances/{id}/logs",
        "GET /api/v1/instances/{id}/take-away",
        "GET /api/v1/stats",
        "GET /api/v1/pool",
        "GET /api/v1/captcha",
        "GET /api/v1/tokens",
        "POST /api/v1/tokens",
        "DELETE /api/v1/tokens/{id}",
        "GET /api/v1/bans",
        "POST /api/v1/bans",
        "DELETE /api/v1/bans/{id}",
        "POST /api/v1/takedowns",
        "GET /api/v1/pause",
        "PUT /api/v1/pause",
        "DELETE /api/v1/pause",
        "GET /api/v1/audit",
        "GET /api/v1/differences",
        "GET /api/v1/backup",
        "PUT /api/v1/backup",
    }
