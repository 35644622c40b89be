"""`distros serve` as a process: how it starts, what it says when it cannot, how it ends."""

import os
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from .processes import ON_FAKES, PROGRAM, free_port, started


def ends(variables: dict[str, str]) -> tuple[int, str]:
    """Exit code and standard error of a service that does not start."""
    ended = subprocess.run(
        PROGRAM, env=os.environ | variables, capture_output=True, text=True, timeout=30, check=False
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_it_answers_and_leaves_when_it_is_told_to(variables: dict[str, str]) -> None:
    with started(variables, free_port()) as process:
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0


def test_without_a_secret_it_says_how_to_make_one(variables: dict[str, str]) -> None:
    code, said = ends(variables | {"DISTROS_SECRET_KEY": ""})

    assert code == 2
    assert "DISTROS_SECRET_KEY: is required" in said


def test_a_wrong_catalogue_is_told_problem_by_problem(
    variables: dict[str, str], elsewhere: Path
) -> None:
    for slug in ("one", "two"):
        (elsewhere / "catalogue" / slug).mkdir(parents=True)
        (elsewhere / "catalogue" / slug / "distribution.toml").write_text("listed = 7\n")

    code, said = ends(variables | {"DISTROS_DISTRIBUTIONS_DIR": str(elsewhere / "catalogue")})

    assert code == 2
    assert "one/distribution.toml: listed" in said and "two/distribution.toml: listed" in said


def test_a_taken_port_is_one_sentence(variables: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = ends(variables | {"DISTROS_PORT": str(port)})

    assert code == 2
    assert said.splitlines()[0] == (
        f"distros: cannot listen on 127.0.0.1:{port}: address already in use."
    )


def test_a_store_that_cannot_be_used_is_one_sentence(variables: dict[str, str]) -> None:
    code, said = ends(variables | {"DISTROS_DATABASE_URL": "sqlite:///distros.db"})

    assert code == 2
    assert said.startswith("distros: DISTROS_DATABASE_URL: the store cannot be used")


def test_a_failpoint_ends_the_process_as_a_crash_would(variables: dict[str, str]) -> None:
    armed = {"DISTROS_FAILPOINT": "launch.admitted", "DISTROS_ADMIN_TOKEN": "a" * 32}
    port = free_port()
    with started(variables | armed, port, ON_FAKES) as process:
        with pytest.raises(httpx.HTTPError):
            httpx.post(
                f"http://127.0.0.1:{port}/api/v1/instances",
                json={"distribution": "wiki"},
                headers={"Authorization": f"Bearer {'a' * 32}"},
                trust_env=False,
            )
        assert process.wait(10) == -signal.SIGKILL


def test_a_mistyped_failpoint_is_refused(variables: dict[str, str]) -> None:
    code, said = ends(variables | {"DISTROS_FAILPOINT": "launch.admited"})

    assert code == 2
    assert "DISTROS_FAILPOINT: there is no point “launch.admited”" in said


@pytest.mark.parametrize(
    ("place", "reason"),
    [("", "is a directory"), ("/file/distros.db", "file exists")],
)
def test_a_database_that_is_a_folder_or_in_none_is_one_sentence(
    variables: dict[str, str], elsewhere: Path, place: str, reason: str
) -> None:
    (elsewhere / "file").touch()
    url = f"sqlite+aiosqlite:///{elsewhere}{place}"

    code, said = ends(variables | {"DISTROS_DATABASE_URL": url})

    assert code == 2
    first, second = said.splitlines()
    assert first.startswith("distros: DISTROS_DATABASE_URL: the store cannot be used: ")
    assert first.endswith(f"{reason}.")
    assert second.strip().startswith("It is such as sqlite+aiosqlite:///")


def test_a_database_of_a_later_version_is_one_sentence(
    variables: dict[str, str], elsewhere: Path
) -> None:
    with closing(sqlite3.connect(elsewhere / "distros.db")) as later:
        later.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        later.execute("INSERT INTO alembic_version VALUES ('9999')")
        later.commit()

    code, said = ends(variables)

    assert code == 1
    assert said.splitlines() == [
        "distros: The database was written by a later version of Distros (schema 9999).",
        "  Run that version, or set DISTROS_DATABASE_URL to another database.",
    ]
