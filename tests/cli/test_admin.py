"""`distros admin password`: from what is typed to what the service checks."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.service.admin_secrets import verify
from orchestrator.settings import load_settings

PASSWORD = "four words in a row"


def typed(*answers: str, options: tuple[str, ...] = ()) -> Result:
    words = ["admin", "password", *options]
    return CliRunner().invoke(app, words, input="".join(f"{each}\n" for each in answers))


def test_it_prints_a_line_that_the_settings_understand(elsewhere: Path) -> None:
    done = typed(PASSWORD, PASSWORD)
    assert done.exit_code == 0 and PASSWORD not in done.output
    line = done.stdout.splitlines()[-1]  # before it, the tester prints the questions here too
    (elsewhere / "env").write_text(f"{line}\n")
    found = load_settings(elsewhere / "env").admin_password_hash
    assert found is not None and verify(found.get_secret_value(), PASSWORD)
    assert found.get_secret_value() not in str(found)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (("a" * 11, "a" * 11), "at least 12 are wanted"),
        ((PASSWORD, PASSWORD[:-1]), "not the same"),
        (("a" * 1001, "a" * 1001), "at most 1000"),
    ],
)
def test_a_short_one_or_two_that_differ_are_refused(answers: tuple[str, str], said: str) -> None:
    done = typed(*answers)
    assert done.exit_code == 2 and said in done.stderr
    assert "argon2" not in done.output


@pytest.mark.parametrize(
    "earlier",
    ["", "DISTROS_ADMIN_PASSWORD_HASH='old'\n", "# DISTROS_ADMIN_PASSWORD_HASH=\n"],
    ids=["none", "another", "the example"],
)
def test_it_is_written_into_the_settings_file_and_nothing_else_changes(
    elsewhere: Path, earlier: str
) -> None:
    env = elsewhere / ".env"
    env.write_text(f"DISTROS_CAPACITY=7\n{earlier}# the end\n")
    env.chmod(0o600)
    assert typed(PASSWORD, PASSWORD, options=("--write",)).exit_code == 0
    lines = env.read_text().splitlines()
    (line,) = [each for each in lines if "HASH" in each]
    assert [each for each in lines if each != line] == ["DISTROS_CAPACITY=7", "# the end"]
    assert line.startswith("DISTROS_ADMIN_PASSWORD_HASH='$argon2id$")
    assert env.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in elsewhere.iterdir()] == [".env"]


def test_without_a_settings_file_nothing_is_asked(elsewhere: Path) -> None:
    done = typed(options=("--write",))
    assert done.exit_code == 2 and "`make up` makes it" in done.stderr


def test_a_hash_that_is_none_is_told_by_its_name(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTROS_ADMIN_PASSWORD_HASH", "secret")
    done = CliRunner().invoke(app, ["token"])
    assert done.exit_code != 0
    assert "DISTROS_ADMIN_PASSWORD_HASH: must be an argon2 hash" in done.stderr
