"""Colours and tables on a terminal, at any width; plain text in a pipe."""

from pathlib import Path

import pytest

from orchestrator.cli import output, tables
from orchestrator.cli.browser import open_in_browser

from .conftest import Served
from .terminal import COLOUR, in_a_pipe, terminal

ROWS = (
    ("k3v9x2m4p7qa", "dokuwiki", "ready", "http://notes-k3v9x2m4p7qa.sandbox.localhost:8080/"),
    ("aaaabbbbcccc", "wiki", "failed", ""),
)
COLUMNS = ("ID", "DISTRIBUTION", "STATE", "URL")


def table(width: int, rows: tuple[tuple[str, ...], ...] = ROWS) -> list[str]:
    return [line.plain for line in tables.lines(COLUMNS, rows, width, {})]


def test_where_there_is_room_each_row_is_a_line() -> None:
    assert table(120) == [
        "ID            DISTRIBUTION  STATE   URL",
        "k3v9x2m4p7qa  dokuwiki      ready   http://notes-k3v9x2m4p7qa.sandbox.localhost:8080/",
        "aaaabbbbcccc  wiki          failed",
    ]


def test_where_there_is_less_an_address_stands_whole_below_its_row() -> None:
    assert table(60) == [
        "ID            DISTRIBUTION  STATE",
        "k3v9x2m4p7qa  dokuwiki      ready",
        "  http://notes-k3v9x2m4p7qa.sandbox.localhost:8080/",
        "aaaabbbbcccc  wiki          failed",
    ]


def test_where_there_is_hardly_any_each_row_is_a_block() -> None:
    assert table(30) == [
        "ID            k3v9x2m4p7qa",
        "DISTRIBUTION  dokuwiki",
        "STATE         ready",
        "URL",
        "  http://notes-k3v9x2m4p7qa.sandbox.localhost:8080/",
        "",
        "ID            aaaabbbbcccc",
        "DISTRIBUTION  wiki",
        "STATE         failed",
    ]


def test_sentences_are_folded_in_their_column() -> None:
    rows = (("k3v9x2m4p7qa", "wiki", "ready", "A wiki that keeps its pages in plain text files."),)
    assert table(64, rows) == [
        "ID            DISTRIBUTION  STATE  URL",
        "k3v9x2m4p7qa  wiki          ready  A wiki that keeps its pages",
        "                                   in plain text files.",
    ]


def test_what_a_server_says_moves_no_cursor_and_makes_no_rows() -> None:
    assert output.clean("a\x1b[2Jb\tc\nd\x9b1m") == "a [2Jb c d 1m"


@pytest.mark.parametrize("width", [160, 80, 40])
def test_no_line_is_wider_than_the_window_but_for_an_address(server: Served, width: int) -> None:
    with terminal(server, "launch", "wiki", "--name", "my-notes", "--wait") as shell:
        assert shell.ended() == 0
    for words in (("list",), ("catalog", "list"), ("token", "list"), ("bans",), ("audit",)):
        with terminal(server, *words, width=width) as shell:
            assert shell.ended() == 0
        wide = [line for line in shell.shown.splitlines() if len(line) > width]
        assert all(line.split()[-1].startswith("http") for line in wide), wide


def test_a_terminal_gets_colours(server: Served) -> None:
    with terminal(server, "launch", "wiki", "--wait") as shell:
        assert shell.ended() == 0
        assert "\x1b[32mready" in shell.raw
        assert "booting" in shell.shown
    with terminal(server, "list", width=160) as shell:
        assert shell.ended() == 0
        assert "\x1b[1mID" in shell.raw and "\x1b[32mready" in shell.raw


def test_with_no_color_a_terminal_gets_none(server: Served) -> None:
    for words in (("launch", "wiki", "--wait"), ("list",), ("show", "nobody"), ("list", "--json")):
        with terminal(server, *words, NO_COLOR="1") as shell:
            shell.ended()
        assert not COLOUR.search(shell.raw), words


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("launch", "--help"),
        ("launch", "wiki", "--wait"),
        ("launch", "wiki", "--wait", "--json"),
        ("catalog", "list"),
        ("show", "nobody"),
        ("nonsense",),
    ],
)
def test_a_pipe_gets_plain_text(server: Served, words: tuple[str, ...]) -> None:
    ended = in_a_pipe(server, *words)
    assert ended.stdout or ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr


def test_a_site_is_opened_in_the_browser(server: Served, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    ended = in_a_pipe(server, "launch", "wiki", "--open", BROWSER=f"{browser} %s")
    assert ended.returncode == 0
    assert f"url\t{opened.read_text()}" in ended.stdout


def test_where_the_site_lets_one_in_by_a_link_it_is_opened_signed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("orchestrator.cli.browser._opened", opened.append)
    document = {"url": "http://x/", "login": {"link": "http://x/sign-in?once"}}
    open_in_browser(document)
    open_in_browser({"url": "http://x/", "login": None})
    open_in_browser({"url": "file:///etc/passwd", "login": None})
    assert opened == ["http://x/sign-in?once", "http://x/"]


def test_where_there_is_no_browser_it_says_where_the_site_is(server: Served) -> None:
    ended = in_a_pipe(server, "launch", "wiki", "--open", BROWSER="false", PATH="/nowhere")
    assert ended.returncode == 0
    assert "No browser could be opened here. The site is at http://" in ended.stderr
