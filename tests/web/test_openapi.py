"""The OpenAPI document tells the truth: Schemathesis tries what it describes."""

import re
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import booleans
from schemathesis.specs.openapi.checks import positive_data_acceptance

from orchestrator.settings import ROOT
from tests.support import ADMIN_TOKEN, WIKI, served

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
CALLERS: dict[str, dict[str, str]] = {
    "admin": ADMIN,
    "visitor": {},
    "another site's page": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
}

WAIT = {"Prefer": "wait=10"}

# Codes of refusals (422) that what follows the schema may meet, by operation.
NOT_IN_THE_SCHEMA: dict[str, Collection[str]] = {
    # A name is transliterated first, so that a pattern cannot say of what nothing is left; how long
    # a lifetime may be depends on the distribution and on who asks.
    "POST /api/v1/instances": {"invalid_name", "invalid_lifetime"},
    # That a file is a database of this service's, no media type says.
    "PUT /api/v1/backup": {"invalid_backup"},
}

schemathesis.serializer.alias("application/vnd.sqlite3", "application/octet-stream")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("api"), capacity=1000) as url:
        yield url


@pytest.fixture
def api_schema(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/api/openapi.json")


def token(url: str, scope: str) -> dict[str, str]:
    asked = {"name": scope, "scope": scope}
    made = httpx.post(f"{url}/api/v1/tokens", json=asked, headers=ADMIN, timeout=10)
    return {"Authorization": f"Bearer {made.json()['token']}"}


class Aim:
    """What is generated knows no slug and no id that there is, and finds nothing. Every second
    request is aimed: its launch is one of a distribution that there is, its instance one that the
    same caller has launched, and is deleted a moment later, which ends the stream of its events."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = f"{url}/api/v1/instances"
        self._http = httpx.Client(headers=headers, timeout=10, trust_env=False)

    @contextmanager
    def at(self, case: schemathesis.Case[Any]) -> Iterator[None]:
        operation = case.operation.label
        if operation == "POST /api/v1/instances" and isinstance(case.body, dict):
            case.body["distribution"] = WIKI.slug
        if "/instances/{id}" not in operation:
            yield
            return
        launched = self._http.post(self._url, json={"distribution": WIKI.slug}, headers=WAIT)
        if launched.status_code != 201:  # this caller may not launch
            yield
            return
        instance_id = case.path_parameters["id"] = launched.json()["id"]
        case.cookies.update(self._http.cookies)
        ending = threading.Timer(0.05, self._http.delete, [f"{self._url}/{instance_id}"])
        ending.start()
        yield
        ending.join()

    def close(self) -> None:
        self._http.close()


def excused(case: schemathesis.Case[Any], response: Any) -> bool:
    """Whether a refusal of what follows its schema is one that no schema could foretell."""
    codes = NOT_IN_THE_SCHEMA.get(case.operation.label, ())
    return response.status_code == 422 and response.json()["code"] in codes


@pytest.mark.parametrize("who", ["admin", "launch", "read", "visitor", "another site's page"])
def test_the_api_answers_as_it_is_described(api_schema: Any, url: str, who: str) -> None:
    headers = CALLERS[who] if who in CALLERS else token(url, who)
    with closing(Aim(url, headers)) as aim:
        reached = tried(api_schema, url, headers, aim)
    if who in ("admin", "launch", "visitor"):
        assert reached["POST /api/v1/instances 201"] > 0
        assert reached["GET /api/v1/instances/{id}/events 200"] > 0


def tried(api_schema: Any, url: str, headers: dict[str, str], aim: Aim) -> Counter[str]:
    """All of it; what was answered how often."""
    reached: Counter[str] = Counter()
    # Schemathesis' own parametrize() does not run on pytest 9.
    for result in api_schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy(), aimed=booleans())
        @settings(
            max_examples=25,
            derandomize=True,  # what fails here fails everywhere
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def answers_as_described(case: schemathesis.Case[Any], aimed: bool) -> None:
            with aim.at(case) if aimed and is_valid(case) else nullcontext():
                response = case.call(base_url=url, headers=headers, timeout=10)
                reached[f"{case.operation.label} {response.status_code}"] += 1
            excluded: list[Any] = [positive_data_acceptance] if excused(case, response) else []
            case.validate_response(response, headers=headers, excluded_checks=excluded)

        answers_as_described()
    return reached


def is_valid(case: schemathesis.Case[Any]) -> bool:
    """As the schema wants it, and not on purpose otherwise."""
    assert case.meta is not None
    return case.meta.generation.mode.is_positive


def test_the_page_has_the_same_answers_and_problems(url: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    row = re.compile(r"^\| `(\w+) (/\S+)` \|.+\|([\d, ]+)\|([\d, ]*)\|$", re.MULTILINE)
    told = {
        (method, path): {*re.findall(r"\d+", f"{ok} {bad}")}
        for method, path, ok, bad in row.findall(page)
    }
    document = httpx.get(f"{url}/api/openapi.json", timeout=10).json()
    assert told == {
        (method.upper(), path): {*described["responses"]}
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }
    assert "502" in told["GET", "/api/v1/instances/{id}/take-away"]


def test_every_operation_is_described(api_schema: Any) -> None:
    described_ones = {operation.ok().label for operation in api_schema.get_all_operations()}
    assert described_ones == {
        "GET /api/v1/distributions",
        "POST /api/v1/instances",
        "GET /api/v1/instances",
        "GET /api/v1/instances/{id}",
        "DELETE /api/v1/instances/{id}",
        "POST /api/v1/instances/{id}/renew",
        "GET /api/v1/instances/{id}/events",
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
