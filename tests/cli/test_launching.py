import json

from orchestrator.domain.engine_errors import EngineError

from .conftest import Command, Served


def test_it_prints_the_instance_at_once(distros: Command) -> None:
    result = distros("launch", "wiki", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["state"] in {"queued", "starting"}


def test_it_waits_until_the_site_answers(distros: Command) -> None:
    result = distros("launch", "wiki", "--wait", "--json")

    instance = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (instance["state"], instance["stage"]) == ("ready", "ready")
    assert result.stderr == ""


def test_the_name_and_the_lifetime_go_along(distros: Command) -> None:
    result = distros("launch", "wiki", "--name", "My Wiki", "--lifetime", "90s", "--json")

    instance = json.loads(result.stdout)
    assert instance["url"] == f"http://my-wiki-{instance['id']}.sandbox.localhost:8080/"
    assert instance["lifetime"] == 90


def test_in_a_pipe_each_fact_has_a_line(distros: Command) -> None:
    result = distros("launch", "wiki", "--wait")

    facts = dict(line.split("\t") for line in result.stdout.splitlines())
    assert facts["state"] == "ready"
    assert facts["url"].startswith("http://")
    assert facts["login"] == facts["url"] + "login"
    assert facts["user"] == "admin" and facts["password"]
    assert "reason" not in facts


def test_on_a_terminal_the_stages_pass_on_standard_error(distros: Command) -> None:
    result = distros("launch", "wiki", "--wait", "--json", FORCE_COLOR="1", TERM="xterm")

    for stage in ("queued", "container", "booting"):
        assert stage in result.stderr


def test_a_launch_that_fails_is_printed_and_ends_with_1(distros: Command, server: Served) -> None:
    server.world.engine.fail_next("start", EngineError("No space left on device."))

    result = distros("launch", "wiki", "--wait", "--json")

    instance = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (instance["state"], instance["reason"]) == ("failed", "start_failed")
    assert result.stderr.splitlines() == [
        "distros: the launch failed. No space left on device.",
        f"  `distros logs {instance['id']}` shows its output.",
    ]


def test_it_does_not_wait_for_ever_and_prints_what_is_to_be_deleted(distros: Command) -> None:
    result = distros("launch", "wiki", "--wait", "--timeout", "0s", "--json")

    instance_id = json.loads(result.stdout)["id"]
    assert result.exit_code == 1
    assert f"The launch goes on: `distros show {instance_id}`" in result.stderr


def test_a_launch_can_be_waited_for_later(distros: Command) -> None:
    instance_id = json.loads(distros("launch", "wiki", "--json").stdout)["id"]

    for _ in range(2):  # a site that is ready already is no different
        result = distros("wait", instance_id, "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["state"] == "ready"
    distros("delete", instance_id)
    assert distros("wait", instance_id).exit_code == 1
    assert distros("wait", "nobody").exit_code == 4


def test_a_lifetime_without_a_unit_is_wrong_usage(distros: Command) -> None:
    result = distros("launch", "wiki", "--lifetime", "soon")

    assert result.exit_code == 2
    assert "must be a whole number with a unit" in result.stderr
    assert json.loads(distros("list", "--json").stdout) == []


def test_an_unknown_distribution_is_not_found(distros: Command) -> None:
    result = distros("launch", "nonsense")

    assert result.exit_code == 4
    assert result.stderr.splitlines() == [
        "distros: There is no distribution “nonsense”.",
        "  `distros catalog list` shows what can be launched.",
    ]


def test_what_the_server_refuses_is_told_with_its_hint(distros: Command) -> None:
    result = distros("launch", "wiki", "--name", "!!!")

    assert result.exit_code == 5
    assert result.stderr.splitlines() == [
        "distros: “!!!” cannot become a subdomain.",
        "  Use 1 to 32 letters, digits and hyphens, beginning and ending with a letter or digit.",
    ]


def test_it_tells_how_long_to_wait(distros: Command, server: Served) -> None:
    server.world.engine.unavailable = True

    result = distros("launch", "wiki")

    assert result.exit_code == 5
    assert "The Docker Engine cannot be reached." in result.stderr
    assert "It asks to wait 10 s." in result.stderr


def test_a_wrong_token_is_refused(distros: Command) -> None:
    result = distros("launch", "wiki", DISTROS_TOKEN="wrong")

    assert result.exit_code == 5
    assert "The token is not valid." in result.stderr
    assert "DISTROS_TOKEN" in result.stderr
