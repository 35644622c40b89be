"""docs/cli.md's script does what its comment says, whatever becomes of the test in it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.engine_errors import EngineError
from orchestrator.settings import ROOT

from ..support import ADMIN_TOKEN
from .conftest import Command, Served

PROGRAM = (
    f'#!/bin/sh\nexec "{sys.executable}" -c "from orchestrator.cli import main; main()" "$@"\n'
)
JQ = f"""\
#!{sys.executable}
import json, sys
text = sys.stdin.read()
sys.exit(4) if not text else print(json.loads(text)[sys.argv[2].lstrip(".")])
"""


@pytest.fixture
def script(server: Served) -> str:
    text: str
    (text,) = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "cli.md").read_text(), re.M | re.S)
    return (
        text.replace("https://distros.example", server.url)
        .replace("DISTROS_TOKEN=…", f"DISTROS_TOKEN={ADMIN_TOKEN}")
        .replace("dokuwiki", "wiki")
    )


def run(script: str, folder: Path, *, curl: str) -> subprocess.CompletedProcess[str]:
    """`curl` is what stands in its place."""
    texts = {"distros": PROGRAM, "curl": f"#!/bin/sh\n{curl}\n"}
    if shutil.which("jq") is None:
        texts["jq"] = JQ
    programs = folder / "bin"
    programs.mkdir()
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("curl", "code"),
    [
        ('case "$*" in "--fail http://"*) ;; *) exit 9 ;; esac', 0),
        ("exit 22", 22),
        ("kill -TERM $PPID", -signal.SIGTERM),
    ],
    ids=["a test that passes", "one that fails", "one that is ended from outside"],
)
def test_the_site_is_deleted_however_the_test_ends(
    script: str, distros: Command, server: Served, elsewhere: Path, curl: str, code: int
) -> None:
    done = run(script, elsewhere, curl=curl)

    assert done.returncode == code, done.stderr
    assert done.stdout.endswith(" is deleted.\n")
    assert json.loads(distros("list", "--json").stdout) == []
    assert server.world.engine.host.containers == {}


def test_a_launch_that_fails_ends_it(script: str, server: Served, elsewhere: Path) -> None:
    server.world.engine.fail_next("start", EngineError("No space left on device."))

    done = run(script, elsewhere, curl="echo tested")

    assert done.returncode == 1
    assert "tested" not in done.stdout
    assert server.world.engine.host.containers == {}


def test_a_launch_that_is_refused_ends_it(script: str, server: Served, elsewhere: Path) -> None:
    done = run(script.replace("launch wiki", "launch nonsense"), elsewhere, curl="echo tested")

    assert done.returncode != 0
    assert "There is no distribution" in done.stderr
    assert done.stdout == ""
