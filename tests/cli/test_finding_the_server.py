"""Which server the command talks to, with which token, and what it says when there is none."""

import socket
from pathlib import Path

import pytest

from orchestrator.cli.environment import find_env_file, find_server

from .conftest import Command, Served

TOKEN = "t" * 32


def test_without_anything_it_is_the_local_stack() -> None:
    server = find_server()

    assert (server.url, server.token) == ("http://distros.localhost:8080", None)


def test_the_stack_of_the_env_file(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text(
        f"DISTROS_SITE_URL=http://site.localhost:9000\nDISTROS_ADMIN_TOKEN={TOKEN}\n"
    )

    server = find_server()

    assert (server.url, server.token) == ("http://site.localhost:9000", TOKEN)


def test_the_local_token_never_goes_to_a_remote_server(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text(f"DISTROS_ADMIN_TOKEN={TOKEN}\n")
    monkeypatch.setenv("DISTROS_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("DISTROS_URL", "https://distros.example/")

    server = find_server()

    assert (server.url, server.token) == ("https://distros.example", None)


def test_the_nearest_env_file_that_is_ours(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISTROS_ENV_FILE")
    inside = elsewhere / "stack" / "somebody-else" / "deep"
    inside.mkdir(parents=True)
    (elsewhere / "stack" / ".env").write_text("DISTROS_CAPACITY=3\n")
    (inside.parent / ".env").write_text("SECRET_OF_ANOTHER_PROJECT=1\n")
    monkeypatch.chdir(inside)

    assert find_env_file() == elsewhere / "stack" / ".env"


def test_nothing_that_answers_is_one_sentence(offline: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    result = offline("list", DISTROS_URL=f"http://distros.localhost:{port}")

    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == (
        f"distros: http://distros.localhost:{port} cannot be reached: Connection refused."
    )


def test_another_program_at_that_address_is_not_believed(server: Served, offline: Command) -> None:
    result = offline("list", DISTROS_URL=f"{server.url}/static")

    assert result.exit_code == 3
    assert result.stderr.startswith(
        f"distros: At {server.url}/ it is not Distros that answers (status 404)."
    )


def test_an_address_that_is_none_is_wrong_usage(offline: Command) -> None:
    result = offline("list", DISTROS_URL="distros.example")

    assert result.exit_code == 2
    assert result.stderr.startswith("distros: DISTROS_URL: ")


def test_wrong_settings_are_reported_all_at_once(offline: Command) -> None:
    result = offline("list", DISTROS_CAPACITY="many", DISTROS_PORT="99999")

    assert result.exit_code == 2
    assert "DISTROS_CAPACITY" in result.stderr
    assert "DISTROS_PORT" in result.stderr


def test_token_show_prints_nothing_but_the_token(offline: Command, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text(f"DISTROS_ADMIN_TOKEN={TOKEN}\n")

    for words in (("token", "show"), ("token",)):
        result = offline(*words)
        assert (result.stdout, result.stderr) == (f"{TOKEN}\n", "")


def test_no_token_says_where_it_would_come_from(offline: Command) -> None:
    result = offline("token", "show")

    assert result.exit_code == 2
    assert "`make up`" in result.stderr


def test_the_version(offline: Command) -> None:
    assert offline("--version").stdout == offline("version").stdout
