"""Which server the command talks to, with which token, and what it says when there is none."""

import os
import socket
from pathlib import Path

import pytest

from orchestrator.cli.environment import find_env_file, find_server, local_settings
from orchestrator.settings import STACK_VARIABLES

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
    inside = elsewhere / "stack" / "somebody-else" / "deep"
    inside.mkdir(parents=True)
    (elsewhere / "stack" / ".env").write_text("DISTROS_CAPACITY=3\n")
    (inside.parent / ".env").write_text("SECRET_OF_ANOTHER_PROJECT=1\n")
    monkeypatch.chdir(inside)

    assert find_env_file() == elsewhere / "stack" / ".env"


def test_nothing_that_answers_is_one_sentence(offline: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    result = offline("list", DISTROS_URL=f"http://distros.localhost:{port}", DISTROS_TOKEN=TOKEN)

    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == (
        f"distros: http://distros.localhost:{port} cannot be reached: Connection refused."
    )
    assert "make up" not in result.stderr


def test_a_local_server_that_is_not_up(offline: Command, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text(
        f"DISTROS_SITE_URL=http://site.localhost:1\nDISTROS_ADMIN_TOKEN={TOKEN}\n"
    )

    result = offline("list")

    assert result.exit_code == 3
    assert "`make up` starts a server here" in result.stderr


def test_without_a_token_nothing_is_launched_that_nobody_finds_again(
    server: Served, offline: Command
) -> None:
    for words in (
        ("launch", "wiki"),
        ("wait", "x"),
        ("list",),
        ("show", "x"),
        ("renew", "x"),
        ("delete", "x"),
        ("logs", "x"),
    ):
        result = offline(*words, DISTROS_URL=server.url)
        assert result.exit_code == 2, words
        assert result.stderr.splitlines() == [
            f"distros: there is no token for {server.url}.",
            "  Set DISTROS_TOKEN; on that server `distros token show` prints it.",
        ]
    assert server.world.engine.host.containers == {}
    assert offline("catalog", "list", DISTROS_URL=server.url).exit_code == 0


def test_an_env_file_that_is_not_there(offline: Command) -> None:
    result = offline("list", DISTROS_ENV_FILE="/nope")

    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == (
        "distros: DISTROS_ENV_FILE: /nope cannot be read: no such file or directory."
    )


def test_a_folder_that_is_gone(offline: Command, elsewhere: Path) -> None:
    gone = elsewhere / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()

    for words in (
        ("list",),
        ("doctor",),
        ("token", "show"),
        ("catalog", "check"),
        ("images", "list"),
        ("serve",),
    ):
        result = offline(*words)
        assert "the current folder does not exist any more." in result.output, words
        assert result.exit_code in {1, 2}


def test_another_program_at_that_address_is_not_believed(server: Served, offline: Command) -> None:
    result = offline("list", DISTROS_URL=f"{server.url}/static", DISTROS_TOKEN=TOKEN)

    assert result.exit_code == 3
    assert result.stderr.startswith(
        f"distros: At {server.url}/ it is not Distros that answers (status 404)."
    )


def test_an_address_that_is_none_is_wrong_usage(offline: Command) -> None:
    result = offline("list", DISTROS_URL="distros.example")

    assert result.exit_code == 2
    assert result.stderr == (
        "distros: DISTROS_URL: must be a full address, such as https://distros.example "
        "(it is 'distros.example')\n"
    )


def test_a_socket_that_is_set_to_nothing_is_the_usual_one(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    monkeypatch.setenv("DISTROS_DOCKER_SOCKET", "")

    assert local_settings().docker_url == "unix:///var/run/docker.sock"


def test_wrong_settings_are_reported_all_at_once(offline: Command, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("DISTROS_LISTEN=127.0.0.1:80\nDISTROS_TYPO=1\n")

    result = offline(
        "list",
        DISTROS_SITE_URL="example.org",
        DISTROS_CAPACITY="many",
        DISTROS_PORT="99999",
        DISTROS_SUBNET="here",
        DISTROS_STACK="My Stack",
        DISTROS_SECRET_KEY="short",
        DISTROS_LOG_LEVEL="loud",
        DISTROS_CAPACTY="3",
    )

    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "distros: the settings are not right.",
        "DISTROS_SITE_URL: must be a full address, such as http://distros.localhost:8080"
        " (it is 'example.org')",
        "DISTROS_CAPACITY: must be a whole number, such as 20 (it is 'many')",
        "DISTROS_SECRET_KEY: must have at least 32 characters; `openssl rand -hex 32` makes one",
        "DISTROS_PORT: must be 65535 or less (it is '99999')",
        "DISTROS_STACK: must be small letters, digits and hyphens, beginning with a letter,"
        " 21 characters at most, such as distros (it is 'My Stack')",
        "DISTROS_SUBNET: must be a network, such as 10.213.0.0/16 (it is 'here')",
        "DISTROS_LOG_LEVEL: must be one of 'debug', 'info', 'warning' or 'error' (it is 'loud')",
        "DISTROS_CAPACTY: is no setting; did you mean DISTROS_CAPACITY?",
        "DISTROS_TYPO: is no setting; docs/configuration.md has all",
    ]


@pytest.mark.parametrize(
    ("site", "instances"),
    [("a.example", "a.example"), ("a.example", "b.a.example"), ("b.a.example", "a.example")],
)
def test_overlapping_domains_are_told_beside_the_rest(
    offline: Command, site: str, instances: str
) -> None:
    result = offline(
        "list",
        DISTROS_SITE_URL=f"https://{site}",
        DISTROS_INSTANCES_URL=f"https://{instances}",
        DISTROS_CAPACITY="0",
    )

    assert result.stderr.splitlines()[1:] == [
        f"DISTROS_INSTANCES_URL: must be on another domain than DISTROS_SITE_URL ({site}), of "
        f"which neither contains the other (it is 'https://{instances}')",
        "DISTROS_CAPACITY: must be 1 or more (it is '0')",
    ]


def test_the_stack_s_own_variables_are_known(offline: Command, elsewhere: Path) -> None:
    """The orchestrator's container gets all of `.env`."""
    variables = dict.fromkeys(STACK_VARIABLES, "x") | {"DISTROS_ENV_FILE": str(elsewhere / ".env")}
    (elsewhere / ".env").write_text("".join(f"{name}=x\n" for name in STACK_VARIABLES))

    result = offline("catalog", "check", **variables)

    assert result.exit_code == 0, result.stderr


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
