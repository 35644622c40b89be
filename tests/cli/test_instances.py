import json
import re

import pytest

from orchestrator.domain.distribution import Pool

from ..support import WIKI
from .conftest import Command, Served


@pytest.fixture
def instance_id(distros: Command) -> str:
    """A launched instance's."""
    launched = json.loads(distros("launch", "wiki", "--wait", "--json").stdout)
    return str(launched["id"])


def test_list_prints_a_row_for_each_instance(distros: Command, instance_id: str) -> None:
    result = distros("list")

    (row,) = result.stdout.splitlines()
    assert row.split("\t")[:3] == [instance_id, "wiki", "ready"]


def test_list_on_a_terminal_has_a_heading(distros: Command, instance_id: str) -> None:
    result = distros("list", FORCE_COLOR="1", TERM="xterm", COLUMNS="200")

    assert "DISTRIBUTION" in result.stdout
    assert instance_id in result.stdout
    assert re.search(r"in (39|40) min", result.stdout)


def test_an_empty_list_is_empty(distros: Command) -> None:
    assert distros("list").stdout == ""
    assert json.loads(distros("list", "--json").stdout) == []


def test_show_prints_what_the_server_says(distros: Command, instance_id: str) -> None:
    result = distros("show", instance_id, "--json")

    assert json.loads(result.stdout)["id"] == instance_id


def test_an_unknown_instance_is_not_found(distros: Command) -> None:
    for words in (("show", "nobody"), ("renew", "nobody"), ("delete", "nobody"), ("logs", "a/b")):
        result = distros(*words)
        assert result.exit_code == 4, words
        assert result.stdout == ""


def test_renew_gives_more_time(distros: Command, instance_id: str) -> None:
    before = json.loads(distros("show", instance_id, "--json").stdout)["expires_at"]

    renewed = json.loads(distros("renew", instance_id, "--json").stdout)

    assert renewed["expires_at"] > before


def test_one_that_cannot_be_deleted_does_not_keep_the_others(
    distros: Command, instance_id: str
) -> None:
    result = distros("delete", "nobody", instance_id)

    assert result.exit_code == 4
    assert result.stdout == f"{instance_id} is deleted.\n"
    assert "There is no instance “nobody”." in result.stderr
    assert json.loads(distros("show", instance_id, "--json").stdout)["state"] == "gone"


def test_logs_prints_the_output_as_it_is(
    distros: Command, server: Served, instance_id: str
) -> None:
    engine = server.world.engine
    engine.host.say(engine.name_of(instance_id), "[bold]started[/bold]")

    assert distros("logs", instance_id).stdout == "[bold]started[/bold]\n"


def test_catalog_list_says_what_is_available(distros: Command) -> None:
    rows = [line.split("\t") for line in distros("catalog", "list").stdout.splitlines()]

    assert [row[0] for row in rows] == ["missing", "wiki"]
    assert [row[3] for row in rows] == ["no", "yes"]
    assert rows[1][4] == WIKI.summary


def test_differences_are_listed_with_reason_and_repair(distros: Command, server: Served) -> None:
    server.do(server.world.compare())
    assert json.loads(distros("differences", "--json").stdout)["differences"] == []
    empty = distros("differences", FORCE_COLOR="1", TERM="xterm", COLUMNS="200")
    assert "agree" in empty.stderr

    instance = server.do(server.world.launched())
    server.do(server.world.engine.host.rename(server.world.engine.name_of(instance.id), "renamed"))
    server.do(server.world.compare())

    document = json.loads(distros("differences", "--json").stdout)
    [found] = document["differences"]
    assert found == {
        "kind": "renamed",
        "instance": instance.id,
        "container": "renamed",
        "engine": "running",
        "store": "ready",
        "proxy": "route",
        "since": document["compared_at"],
        "reason": "Somebody has renamed the container.",
        "repair": "None is needed: it is found by its label.",
    }
    row = distros("differences").stdout.rstrip("\n").split("\t")
    assert row[:5] == ["renamed", "renamed", "running", "ready", "route"]
    assert row[6:] == [found["reason"], found["repair"]]


def test_the_pool_is_listed_by_distribution(distros: Command, server: Served) -> None:
    assert json.loads(distros("pool", "--json").stdout) == []
    empty = distros("pool", FORCE_COLOR="1", TERM="xterm", COLUMNS="200")
    assert "DISTROS_POOLS" in empty.stderr

    catalog = server.world.services.catalog
    catalog._by_slug["wiki"] = WIKI.model_copy(update={"pool": Pool(min=0, max=3)})
    [stock] = json.loads(distros("pool", "--json").stdout)
    assert stock == {
        "distribution": "wiki",
        "ready": 0,
        "starting": 0,
        "target": stock["target"],
        "min": 0,
        "max": 3,
    }
    assert distros("pool").stdout.split("\t")[0] == "wiki"
