"""Another folder of distributions is one setting, for all services that read the catalogue."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.settings import ROOT

READERS = {"orchestrator", "socket-guard"}


def composed(folder: Path, *lines: str) -> dict[str, Any]:
    """The services, as Compose understands them with those settings."""
    env_file = folder / ".env"
    env_file.write_text("\n".join((*lines, f"DISTROS_STATE={folder}\n")))
    done = subprocess.run(
        ["bash", "-c", "source scripts/lib.sh; load_settings; compose config --format json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DISTROS_ENV_FILE": str(env_file)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


@pytest.mark.parametrize("with_bridges", [False, True])
def test_all_that_read_the_catalogue_have_the_same_folder_and_cannot_write_it(
    tmp_path: Path, with_bridges: bool
) -> None:
    if with_bridges:  # as scripts/bridges.py writes it for more than 1,000 instances
        (tmp_path / "bridges.yml").write_text("networks: {sandbox-1: {name: another}}\n")
    services = composed(tmp_path, "DISTROS_DISTRIBUTIONS_DIR=/srv/our distributions")
    mounted = {}
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            if volume["source"] == "/srv/our distributions":
                assert volume["read_only"]
                mounted[name] = volume["target"]
    assert mounted == dict.fromkeys(READERS, "/app/distributions")
    for name in READERS:
        assert services[name]["environment"]["DISTROS_DISTRIBUTIONS_DIR"] == mounted[name]
    assert "/data" in {each["target"] for each in services["orchestrator"]["volumes"]}


def test_the_reference_does_not_say_that_the_stack_overrules_it() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    rows = dict(re.findall(r"^\| `(DISTROS_\w+)` (\|.*)$", page, re.MULTILINE))

    assert "The Compose stack sets it itself." in rows["DISTROS_DATABASE_URL"]
    assert "The Compose stack" not in rows["DISTROS_DISTRIBUTIONS_DIR"]


def test_a_folder_of_templates_that_no_container_has_is_not_looked_for_in_one(
    tmp_path: Path,
) -> None:
    services = composed(tmp_path, "DISTROS_FRONTEND_DIR=/srv/our templates")
    assert services["orchestrator"]["environment"]["DISTROS_FRONTEND_DIR"] == "/app/frontend"


def test_without_the_setting_they_read_what_their_image_has(tmp_path: Path) -> None:
    services = composed(tmp_path)
    for name in READERS:
        assert services[name]["environment"]["DISTROS_DISTRIBUTIONS_DIR"] == "/app/distributions"
        targets = {each["target"] for each in services[name].get("volumes", ())}
        assert "/app/distributions" not in targets
