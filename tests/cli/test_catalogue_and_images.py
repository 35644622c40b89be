import io
import json
import re
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from orchestrator.cli.images import gist
from orchestrator.domain.addresses import AddressPlan
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.engine.fake import FakeEngine
from orchestrator.engine.routing import Routing

from .conftest import Command

TOML = """\
name = "{slug}"
summary = "A site."
version = "1"
homepage = "https://example.org/"
category = "other"
[image]
ref = "test/{slug}:1"
build = {build}
"""


@pytest.fixture
def catalogue(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`built` and `broken` are built here, `pulled` is pulled."""
    folder = elsewhere / "catalogue"
    for slug, build in (("built", "true"), ("broken", "true"), ("pulled", "false")):
        (folder / slug).mkdir(parents=True)
        (folder / slug / "distribution.toml").write_text(TOML.format(slug=slug, build=build))
        (folder / slug / "Dockerfile").write_text("FROM scratch\n")
    (folder / "pulled" / "Dockerfile").unlink()
    monkeypatch.setenv("DISTROS_DISTRIBUTIONS_DIR", str(folder))
    return folder


@pytest.fixture
def engine(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    plan = AddressPlan(IPv4Network("10.99.0.0/24"))
    fake = FakeEngine(Routing("distros", "sandbox.localhost", "distros-sandbox", plan))
    monkeypatch.setattr("orchestrator.app.docker_engine", lambda settings: fake)
    return fake


def results(printed: str) -> dict[str, str]:
    return {outcome["slug"]: outcome["result"] for outcome in json.loads(printed)}


def test_a_right_catalogue(offline: Command, catalogue: Path) -> None:
    result = offline("catalog", "check")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "3 distributions, no problem: broken, built, pulled.",
        "pulled: test/pulled:1 is pulled without a digest; "
        "add its “@sha256:…” to `image.ref`, as `docker pull` prints it.",
    ]


def test_a_digest_leaves_nothing_to_say(offline: Command, catalogue: Path) -> None:
    file = catalogue / "pulled" / "distribution.toml"
    file.write_text(file.read_text().replace("pulled:1", f"pulled:1@sha256:{'0' * 64}"))

    assert len(offline("catalog", "check").stdout.splitlines()) == 1
    assert json.loads(offline("catalog", "check", "--json").stdout)["without_digest"] == []


def test_what_a_distribution_asks_for_beyond_the_rest_is_listed(
    offline: Command, catalogue: Path
) -> None:
    with (catalogue / "built" / "distribution.toml").open("a") as file:
        file.write('[weaker]\nroot_user = "It binds to port 80."\n')
        file.write('[weaker.capabilities]\nNET_BIND_SERVICE = "Its port is below 1024."\n')

    assert offline("catalog", "check").stdout.splitlines()[1:3] == [
        "built asks for root_user: It binds to port 80.",
        "built asks for capabilities.NET_BIND_SERVICE: Its port is below 1024.",
    ]
    assert json.loads(offline("catalog", "check", "--json").stdout)["weaker"] == {
        "built": {
            "root_user": "It binds to port 80.",
            "capabilities.NET_BIND_SERVICE": "Its port is below 1024.",
        }
    }


def test_a_pulled_image_that_may_not_run_is_told_at_once(
    offline: Command, engine: FakeEngine
) -> None:
    engine.host.images["test/pulled:1"] = {"distros.managed": "true"}

    result = offline("images", "pull", "--json")

    assert result.exit_code == 1
    assert results(result.stdout) == {"pulled": "failed"}
    assert "carries labels of its own: distros.managed" in result.stderr


def test_every_problem_of_a_catalogue(offline: Command, catalogue: Path) -> None:
    for slug in ("built", "pulled"):
        (catalogue / slug / "distribution.toml").write_text("listed = 7\n")

    result = offline("catalog", "check", str(catalogue))

    assert result.exit_code == 2
    assert "built/distribution.toml: listed" in result.stdout
    assert "pulled/distribution.toml: listed" in result.stdout
    assert len(json.loads(offline("catalog", "check", "--json").stdout)["problems"]) > 2


def test_list_says_which_images_are_here(offline: Command, engine: FakeEngine) -> None:
    engine.host.images["test/pulled:1"] = {}

    rows = [line.split("\t") for line in offline("images", "list").stdout.splitlines()]

    assert rows == [
        ["broken", "test/broken:1", "build", "no"],
        ["built", "test/built:1", "build", "no"],
        ["pulled", "test/pulled:1", "pull", "yes"],
    ]


def test_an_image_that_fails_does_not_keep_the_others(offline: Command, engine: FakeEngine) -> None:
    output = "test/broken:1 could not be built: code 1\nE: no such package\n---> Removed"
    engine.fail_next("build", EngineError(output))

    result = offline("images", "build", "--missing", "--json")

    assert result.exit_code == 1
    assert results(result.stdout) == {"broken": "failed", "built": "done"}
    assert "distros: no image for broken: E: no such package" in result.stderr.splitlines()


def test_the_line_that_tells_most_of_a_failed_build() -> None:
    output = """\
        test/x:1 could not be built: The command '/bin/sh -c make' returned a non-zero code: 2
        Step 2/2 : RUN make
        ---> Running in 15558bb8e949
        \x1b[91mmake: *** No rule to make target 'all'.  Stop.\x1b[0m
        {}
        usage: make [options]
        Removing intermediate container 15558bb8e949
    """

    assert gist(output.format("error 6: unknown host")) == "error 6: unknown host"
    assert gist("nothing of the kind\n\n") == "nothing of the kind"


def test_what_is_there_is_not_built_again(offline: Command, engine: FakeEngine) -> None:
    engine.host.images |= {"test/built:1": {}, "test/broken:1": {}}

    result = offline("images", "build", "--missing", "--json")

    assert result.exit_code == 0
    assert set(results(result.stdout).values()) == {"present"}
    assert "build" not in {call for call, _ in engine.calls}


def test_only_what_is_named_is_built(offline: Command, engine: FakeEngine) -> None:
    assert results(offline("images", "build", "built", "--json").stdout) == {"built": "done"}
    assert offline("images", "build", "nonsense").exit_code == 4


def test_what_is_pulled_cannot_be_built(offline: Command, engine: FakeEngine) -> None:
    result = offline("images", "build", "pulled")

    assert result.exit_code == 2
    assert "`distros images pull` brings the image of pulled." in result.stderr


def test_pull_brings_the_others(offline: Command, engine: FakeEngine) -> None:
    assert results(offline("images", "pull", "--json").stdout) == {"pulled": "done"}
    assert "test/pulled:1" in engine.host.images


def test_a_pull_tells_a_pipe_every_quarter(offline: Command, engine: FakeEngine) -> None:
    assert offline("images", "pull").stderr.splitlines() == [
        "Pulling test/pulled:1 …",
        "Fetching the image: 9 of 20 MB, 45 %",
        "Fetching the image: 15 of 20 MB, 75 %",
        "Unpacking the image",
    ]


def test_a_pull_shows_bytes_and_percent_on_a_terminal(
    offline: Command, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr("orchestrator.cli.following.err", terminal)
    refresh = Progress.update

    def update(self: Progress, *how: Any, **changes: Any) -> None:
        refresh(self, *how, **changes, refresh=True)  # each one, however fast they come

    monkeypatch.setattr(Progress, "update", update)

    assert offline("images", "pull").exit_code == 0

    lines = re.split(r"[\r\n]", shown.getvalue())
    (under_way,) = [line for line in lines if line.endswith("9 of 20 MB, 45 %")]
    assert re.search(r"Pulling test/pulled:1 … ━+ +Fetching the image: ", under_way)


def test_a_verbose_pull_shows_what_the_engine_says(offline: Command, engine: FakeEngine) -> None:
    told = offline("images", "pull", "--verbose").stderr.splitlines()

    assert told[1] == "1a: Pulling fs layer"
    assert told[-1] == "Status: Downloaded newer image for test/pulled:1"


def test_without_an_engine_it_stops_with_one_sentence(offline: Command, engine: FakeEngine) -> None:
    engine.fail_next("build", EngineUnavailable("The Docker Engine cannot be reached."))

    result = offline("images", "build")

    assert result.exit_code == 3
    assert result.stderr.splitlines()[-2] == "distros: The Docker Engine cannot be reached."
