import json
from pathlib import Path

from orchestrator.cli.checks import confinement
from orchestrator.service.readiness import Answer

from ..support import WIKI
from .conftest import Command, Served

NOTHING = {
    "DISTROS_DOCKER_URL": "tcp://127.0.0.1:1",
    "DISTROS_SITE_URL": "http://distros.localhost:1",
}


def verdicts(printed: str) -> dict[str, str]:
    return {finding["about"]: finding["verdict"] for finding in json.loads(printed)}


def test_a_server_that_is_well(distros: Command) -> None:
    result = distros("doctor", "--json")

    assert result.exit_code == 0
    assert verdicts(result.stdout) == {
        "server": "ok",
        "server's engine": "ok",
        "server's proxy": "ok",
        "server's store": "ok",
        "server's pressure": "ok",
        "server's events": "ok",
        "server's loops": "ok",
        "server's launch": "ok",
        "token": "ok",
    }


def test_each_part_that_is_away_says_so(distros: Command, server: Served) -> None:
    server.world.probe.proxy = Answer(None, error="connection refused")

    result = distros("doctor")

    assert result.exit_code == 1
    assert (
        "problem  server's proxy: The proxy cannot be reached: connection refused."
        " → the server's log says more" in result.stdout.splitlines()
    )


def test_a_wrong_token_is_found(distros: Command) -> None:
    result = distros("doctor", "--json", DISTROS_TOKEN="wrong")

    assert result.exit_code == 1
    assert verdicts(result.stdout)["token"] == "problem"


def test_a_machine_on_which_nothing_runs(offline: Command) -> None:
    result = offline("doctor", "--json", **NOTHING)

    found = verdicts(result.stdout)
    assert result.exit_code == 1
    assert (found["settings"], found[".env"], found["catalogue"]) == ("ok", "note", "ok")
    assert (found["Docker Engine"], found["server"]) == ("problem", "problem")
    assert all(one["do"] for one in json.loads(result.stdout) if one["verdict"] == "problem")


def test_an_env_file_without_secrets(offline: Command, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("DISTROS_SECRET_KEY=\nDISTROS_ADMIN_TOKEN=\n")

    result = offline("doctor", **NOTHING)

    assert "DISTROS_SECRET_KEY and DISTROS_ADMIN_TOKEN → `make up` makes them" in result.stdout


def test_a_name_that_is_no_setting_is_a_problem(offline: Command) -> None:
    result = offline("doctor", DISTROS_CAPACTY="3")

    (line,) = result.stdout.splitlines()
    assert result.exit_code == 1
    assert line.startswith(
        "problem  settings: DISTROS_CAPACTY: is no setting; did you mean DISTROS_CAPACITY?"
    )


def test_an_env_file_that_is_not_there_is_a_problem(offline: Command) -> None:
    result = offline("doctor", DISTROS_ENV_FILE="/nope")

    assert result.exit_code == 1
    assert "/nope cannot be read: no such file or directory." in result.stdout


def test_wrong_settings_end_it_at_once(offline: Command) -> None:
    result = offline("doctor", DISTROS_CAPACITY="many")

    (line,) = result.stdout.splitlines()
    assert result.exit_code == 1
    assert line.startswith("problem  settings: DISTROS_CAPACITY: ")


SECCOMP = "name=seccomp,profile=default"


def test_an_engine_that_confines_as_it_should_has_nothing_to_mend() -> None:
    info = {"SecurityOptions": [SECCOMP, "name=userns"], "Runtimes": {"runc": {}}}

    assert list(confinement(info, [WIKI])) == []


def test_it_tells_of_a_missing_seccomp_profile_and_runtime() -> None:
    asking = WIKI.model_copy(update={"runtime": "runsc"})
    info = {"SecurityOptions": ["name=seccomp,profile=unconfined"], "Runtimes": {"runc": {}}}

    found = [(one.verdict, one.said) for one in confinement(info, [asking])]

    assert found == [
        ("problem", "no seccomp profile for instances"),
        ("problem", "wiki asks for the runtime “runsc”, which the engine lacks"),
        ("note", "user numbers in instances are this machine's own"),
    ]


def test_it_tells_which_runtime_a_distribution_has() -> None:
    asking = WIKI.model_copy(update={"runtime": "runsc"})
    info = {"SecurityOptions": [SECCOMP, "name=userns"], "Runtimes": {"runc": {}, "runsc": {}}}

    assert [one.said for one in confinement(info, [asking])] == ["wiki runs in “runsc”"]
