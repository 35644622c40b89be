import json
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Command


@pytest.fixture
def launched(distros: Command) -> str:
    """An instance's id."""
    return str(json.loads(distros("launch", "wiki", "--wait", "--json").stdout)["id"])


def ids_in(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM instances")]


def test_backup_writes_a_file_named_for_its_moment_that_only_its_owner_reads(
    distros: Command, launched: str, elsewhere: Path
) -> None:
    result = distros("backup")

    (made,) = elsewhere.glob("distros-*.db")
    assert re.fullmatch(r"distros-\d{8}-\d{6}\.db", made.name)
    assert result.stdout == f"{made.name} is written, {made.stat().st_size} bytes.\n"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert ids_in(made) == [launched]


def test_backup_overwrites_nothing_without_force(
    distros: Command, launched: str, elsewhere: Path
) -> None:
    (elsewhere / "mine.db").write_text("precious")

    refused = distros("backup", "mine.db")

    assert refused.exit_code == 2
    assert "mine.db exists." in refused.stderr and "--force" in refused.stderr
    assert (elsewhere / "mine.db").read_text() == "precious"
    assert distros("backup", "mine.db", "--force").exit_code == 0
    assert ids_in(elsewhere / "mine.db") == [launched]


def test_backup_to_standard_output_is_the_file_alone(
    distros: Command, launched: str, elsewhere: Path
) -> None:
    result = distros("backup", "-")

    (elsewhere / "piped.db").write_bytes(result.stdout_bytes)
    assert ids_in(elsewhere / "piped.db") == [launched]


def test_a_backup_that_fails_leaves_no_file(offline: Command, elsewhere: Path) -> None:
    result = offline("backup", "mine.db", DISTROS_URL="http://127.0.0.1:9", DISTROS_TOKEN="t")

    assert result.exit_code == 3
    assert list(elsewhere.glob("*mine*")) == []


def test_backup_into_a_folder_that_is_not_there_is_one_sentence(distros: Command) -> None:
    result = distros("backup", "no/such/file.db")

    assert result.exit_code == 1
    assert "no/such/file.db cannot be written: no such file or directory." in result.stderr


def test_restore_says_what_it_did(distros: Command, launched: str) -> None:
    distros("backup", "mine.db")

    result = distros("restore", "mine.db", "--yes")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "mine.db is restored.",
        "  instances in the database  1",
        "  live ones that go on       1",
        "  owners given back          0",
    ]
    assert json.loads(distros("restore", "mine.db", "-y", "--json").stdout) == {
        "instances": 1,
        "carried_over": 1,
        "owners_back": 0,
    }


def test_restore_asks_first_and_where_nobody_can_be_asked_does_nothing(
    distros: Command, launched: str
) -> None:
    distros("backup", "mine.db")

    result = distros("restore", "mine.db")

    assert result.exit_code == 2
    assert "nothing was restored" in result.stderr and "--yes" in result.stderr


def test_restore_tells_what_is_wrong_with_the_file(distros: Command, elsewhere: Path) -> None:
    (elsewhere / "no.db").write_text("hello")

    result = distros("restore", "no.db", "--yes")
    missing = distros("restore", "missing.db", "--yes")

    assert result.exit_code == 5
    assert "It is not an SQLite database." in result.stderr
    assert missing.exit_code == 2
    assert "missing.db cannot be read: no such file or directory." in missing.stderr
