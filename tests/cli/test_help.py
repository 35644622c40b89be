"""Help that is worth reading: an example for each command, and completion at the Tab key."""

import os
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli import app
from orchestrator.cli.examples import EXAMPLES

from .conftest import Command, Served
from .terminal import COMMAND, environment


def commands(group: Any, above: str = "") -> dict[str, Any]:
    """Those that do something, by their names."""
    found: dict[str, Any] = {}
    for name, each in group.commands.items():
        below = commands(each, f"{above}{name} ") if hasattr(each, "commands") else {}
        found |= below or {above + name: each}
    return found


ALL = commands(typer.main.get_command(app))


def test_every_command_has_an_example() -> None:
    assert EXAMPLES.keys() == ALL.keys()


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines]
)
def test_every_example_is_one_of_its_command(name: str, line: str, offline: Command) -> None:
    assert f"distros {name}" in line
    assert line in offline(*name.split(), "--help").stdout
    told = line[line.index(f"distros {name}") :].rstrip(")")
    words = shlex.split(told.split("|")[0].split("&&")[0].split(">")[0])[1:]
    used = {word for word in words if word.startswith("--")}
    assert used <= options_of(ALL[name])


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_json_can_be_had_of_every_command_that_tells_something() -> None:
    without = {name for name, each in ALL.items() if "--json" not in options_of(each)}
    assert without == {"serve", "catalog screenshots", "admin password"}


def test_the_commands_stand_by_what_they_are_about(offline: Command) -> None:
    shown = offline("--help").stdout
    assert "..." not in shown.partition("Sites:")[2]
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"\n  {name} " in shown


def completed(line: str, **variables: str) -> list[str]:
    """What bash would offer at the end of the line."""
    ended = subprocess.run(
        COMMAND,
        env={"PATH": os.environ["PATH"], "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        | {"_DISTROS_COMPLETE": "complete_bash"}
        | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.split()


def test_the_shell_completes_commands_slugs_and_ids(server: Served, distros: Command) -> None:
    ours = environment(server)
    distros("launch", "wiki", "--wait")
    (instance_id,) = server.world.services.ledger.live
    assert completed("distros lau", **ours) == ["launch"]
    assert completed("distros launch ", **ours) == ["missing", "wiki"]
    assert completed("distros launch wi", **ours) == ["wiki"]
    for command in ("show", "renew", "delete", "logs", "wait", "follow", "takedown --instance"):
        assert completed(f"distros {command} ", **ours) == [instance_id]
        assert completed(f"distros {command} {instance_id[:4]}", **ours) == [instance_id]
    assert completed(f"distros show {'-' * 3}", **ours) != [instance_id]


def test_without_a_server_it_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    nobody = {"DISTROS_URL": "http://127.0.0.1:9", "DISTROS_TOKEN": "x"}
    assert completed("distros launch ", **nobody) == []
    assert completed("distros show ", DISTROS_URL="http://127.0.0.1:9") == []  # nor a token
    assert completed("distros show ", DISTROS_URL="not an address") == []


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert completed("distros launch ", DISTROS_URL=address) == []
        assert time.monotonic() - started < 10  # of which most is Python's own start, here


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, offline: Command) -> None:
    ended = subprocess.run(
        COMMAND,
        env={"PATH": os.environ["PATH"], "_DISTROS_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0 and "_DISTROS_COMPLETE" in ended.stdout
