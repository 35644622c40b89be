"""The scripts of the stack read a settings file as the service and Compose do."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from orchestrator.settings import ROOT

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
WRITTEN = {
    "DISTROS_CAPACITY": ("30", "30"),
    "DISTROS_QUEUE_LIMIT": ("30 # workshop", "30"),
    "DISTROS_POOLS": ("'dokuwiki=1-4, mediawiki=2'", "dokuwiki=1-4, mediawiki=2"),
    "DISTROS_TRUSTED_PROXIES": ('"10.0.0.0/8, fd00::/8"', "10.0.0.0/8, fd00::/8"),
    "DISTROS_SECRET_KEY": ("'one # two' # three", "one # two"),
    "DISTROS_ADMIN_TOKEN": ('"one # two"   # three', "one # two"),
    "DISTROS_ABUSE_CONTACT": ("https://distros.example/#abuse", "https://distros.example/#abuse"),
    "DISTROS_ADMIN_PASSWORD_HASH": (f"'{HASH}' # of May", HASH),
    "DISTROS_CAPTCHA_SITE_KEY": ("", ""),
    "DISTROS_SITE_URL": ("  http://distros.example  ", "http://distros.example"),
    "DISTROS_CAPTCHA_SECRET": ('"it\'s; $(id) `id`"', "it's; $(id) `id`"),
}


def in_shell(env_file: Path, commands: str, **variables: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"source scripts/lib.sh; load_settings; {commands}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DISTROS_ENV_FILE": str(env_file)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def exported(env_file: Path, **variables: str) -> dict[str, str]:
    pairs = in_shell(env_file, "env -0", **variables).rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair.startswith("DISTROS_"))


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={written}\n" for name, (written, _) in WRITTEN.items()))
    return file


def test_it_reads_what_the_service_reads(env_file: Path) -> None:
    wanted = {name: value for name, (_, value) in WRITTEN.items()}

    found = exported(env_file)

    assert dotenv_values(env_file) == wanted
    assert {name: found.get(name) for name in WRITTEN} == wanted


def test_it_reads_what_compose_reads(env_file: Path) -> None:
    """`$` stands twice in what Compose prints."""
    shown = json.loads(in_shell(env_file, "compose config --format json"))
    given = shown["services"]["orchestrator"]["environment"]

    for name, (_, value) in WRITTEN.items():
        if "$(" not in value:  # Compose fills in variables there
            assert given[name].replace("$$", "$") == value, name


def test_the_environment_goes_before_the_file(env_file: Path) -> None:
    assert exported(env_file, DISTROS_CAPACITY="7")["DISTROS_CAPACITY"] == "7"


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = exported(tmp_path / "nowhere")

    assert found["DISTROS_STACK"] == "distros"
    assert found["DISTROS_STATE"] == str(ROOT / ".state/distros")
