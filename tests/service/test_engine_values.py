"""What the engine's modules make of Docker's answers, without a Docker."""

from datetime import UTC, datetime
from typing import Any

import docker.errors
import pytest
import requests
import urllib3.exceptions

from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.container import observation
from orchestrator.engine.sdk import Conflict, ImageNotFound, NotFound, translate


def refusal(
    status: int, message: str, kind: type[docker.errors.APIError] = docker.errors.APIError
) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return kind("", response=response, explanation=message)


def wrapped(cause: Exception) -> docker.errors.DockerException:
    error = docker.errors.DockerException("Error while fetching server API version")
    error.__cause__ = cause
    return error


REFUSED = requests.ConnectionError(
    urllib3.exceptions.ProtocolError("aborted", ConnectionRefusedError(111, "Connection refused"))
)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (REFUSED, EngineUnavailable, "The Docker Engine cannot be reached (connection refused)."),
        (
            wrapped(REFUSED),
            EngineUnavailable,
            "The Docker Engine cannot be reached (connection refused).",
        ),
        (
            requests.ReadTimeout(),
            EngineUnavailable,
            "The Docker Engine does not answer in time.",
        ),
        (
            refusal(503, "<html>no server</html>"),
            EngineUnavailable,
            "The Docker Engine cannot be reached.",
        ),
        (refusal(404, "No such container: x", docker.errors.NotFound), NotFound, None),
        (refusal(404, "No such image: x", docker.errors.ImageNotFound), ImageNotFound, None),
        (refusal(409, "The name is taken"), Conflict, "The name is taken"),
        (refusal(500, "Address already in use"), EngineError, "Address already in use"),
    ],
)
def test_it_translates_each_error_into_one_of_ours(
    error: Exception, kind: type[Exception], message: str | None
) -> None:
    translated = translate(error)

    assert type(translated) is kind
    assert message is None or getattr(translated, "message", None) == message


def test_it_does_not_disguise_our_own_mistakes() -> None:
    mistake = TypeError("ours")

    assert translate(mistake) is mistake


def inspected(labels: dict[str, str], **state: Any) -> dict[str, Any]:
    never = {"Running": False, "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"}
    return {
        "Id": "0123",
        "Name": "/distros-x",
        "Config": {"Labels": labels},
        "NetworkSettings": {},
        "State": never | state,
    }


def test_it_takes_an_unreadable_end_as_long_past_so_that_it_is_reaped() -> None:
    long_past = datetime(1970, 1, 1, tzinfo=UTC)

    for text in ("soon", "", "2026-11-22T12:00:00"):  # the last: of which time zone?
        labels = {"distros.instance": "x", "distros.expires-at": text}
        assert observation(inspected(labels)).expires_at == long_past
    assert observation(inspected({"distros.instance": "x"})).expires_at == long_past


def test_it_takes_labels_for_whole_only_if_they_say_all_that_adoption_needs() -> None:
    moment = "2026-11-22T12:00:00+00:00"
    whole = {
        "distros.instance": "abcdefghijkm",
        "distros.distribution": "wiki",
        "distros.created-at": moment,
        "distros.expires-at": moment,
    }
    assert observation(inspected(whole)).whole
    for key in whole:
        assert not observation(inspected({**whole, key: ""})).whole
    for wrong in ("abc", "abcdefghijkm\n", "../../etc/pass"):
        assert not observation(inspected(whole | {"distros.instance": wrong})).whole


def test_it_does_not_call_a_running_instance_out_of_memory_for_a_lost_child() -> None:
    look = observation(inspected({"distros.instance": "x"}, Running=True, OOMKilled=True))

    assert (look.running, look.exit_code, look.out_of_memory) == (True, None, False)
