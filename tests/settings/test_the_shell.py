"""The scripts of the stack read a settings file as the service and Compose do."""

import json
import os
import re
import stat
import subprocess
import sys
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


MADE = {"traefik", "bridges.new", "bridges.yml", "compose.log"}


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


def put_into(state: Path) -> None:
    """What `make up` makes there."""
    subprocess.run(
        [
            *(sys.executable, "scripts/local_traefik.py", state / "traefik"),
            *("--web", ":8080", "--admin", ":9989", "--stack", "distros", "--network", "distros"),
            *("--docker-url", "tcp://docker:2375", "--orchestrator-url", "http://orchestrator"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    for name in MADE - {"traefik"}:
        (state / name).write_text("…")


def test_all_that_up_puts_into_its_folder_is_known_here() -> None:
    script = (ROOT / "scripts/up.sh").read_text()
    assert set(re.findall(r"\$DISTROS_STATE/([\w.]+)", script)) == MADE
    assert len(re.findall(r"\$DISTROS_STATE\b", script)) == len(
        re.findall(r"\$DISTROS_STATE/", script)
    )


def test_a_folder_of_its_own_is_made_for_its_owner_alone_and_gone_afterwards(
    env_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state" / "distros"
    in_shell(env_file, "make_state", DISTROS_STATE=str(state))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700

    put_into(state)
    in_shell(env_file, "remove_state", DISTROS_STATE=str(state))

    assert not state.exists()
    in_shell(env_file, "remove_state", DISTROS_STATE=str(state))


def test_a_folder_that_others_use_keeps_its_mode_and_what_is_theirs(
    env_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "srv"
    theirs = [state / name for name in ("site/index.html", "traefik/dynamic/own.yml", "notes.log")]
    for file in theirs:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("theirs")
    state.chmod(0o755)

    in_shell(env_file, "make_state", DISTROS_STATE=str(state))
    put_into(state)
    in_shell(env_file, "remove_state", DISTROS_STATE=str(state))

    assert stat.S_IMODE(state.stat().st_mode) == 0o755
    assert {path for path in state.rglob("*") if path.is_file()} == set(theirs)
