"""Tokens, bans, takedown, the kill switch and the record, from a terminal."""

import json

from .conftest import Command, Served


def test_a_token_is_printed_once_and_works_until_it_is_revoked(
    distros: Command, offline: Command, server: Served
) -> None:
    words = ("token", "create", "--name", "CI", "--scope", "launch", "--expires", "90d", "--json")
    made = json.loads(distros(*words).stdout)
    theirs = {"DISTROS_URL": server.url, "DISTROS_TOKEN": made["token"]}
    assert json.loads(offline("launch", "wiki", "--wait", "--json", **theirs).stdout)["id"]
    (row,) = distros("token", "list").stdout.splitlines()
    assert row.split("\t")[:3] == [made["id"], "CI", "launch"]
    assert made["token"] not in row
    assert distros("token", "revoke", made["id"]).exit_code == 0
    refused = offline("list", **theirs)
    assert refused.exit_code == 5 and "not valid" in refused.stderr
    assert "revoked" in distros("token", "list").stdout


def test_a_token_in_a_pipe_is_the_token_alone(distros: Command) -> None:
    made = distros("token", "create", "--name", "x").stdout
    assert made.startswith("distros_") and len(made.splitlines()) == 1


def test_a_pause_stops_launches_and_says_why(distros: Command) -> None:
    assert distros("pause", "--reason", "Moving house.").exit_code == 0
    refused = distros("launch", "wiki")
    assert refused.exit_code == 5 and "Moving house." in refused.stderr
    assert distros("resume").exit_code == 0
    assert distros("launch", "wiki").exit_code == 0


def test_takedown_stops_and_bans_and_unban_lifts_it(distros: Command) -> None:
    launched = json.loads(distros("launch", "wiki", "--wait", "--json").stdout)["id"]
    done = distros("takedown", "--distribution", "wiki", "--ban", "--reason", "Broken.")
    assert done.stdout.split() == [launched]
    (row,) = distros("bans").stdout.splitlines()
    ban_id, kind, shown, reason, _ = row.split("\t")
    assert (kind, shown, reason) == ("distribution", "wiki", "Broken.")
    assert distros("launch", "wiki").exit_code == 5
    assert distros("unban", ban_id).exit_code == 0
    assert distros("launch", "wiki").exit_code == 0
    assert distros("unban", ban_id).exit_code == 4


def test_a_ban_wants_one_target(distros: Command) -> None:
    for words in ((), ("--address", "203.0.113.7", "--visitor", "v-a")):
        refused = distros("ban", *words)
        assert refused.exit_code == 2 and "one of --instance" in refused.stderr
    assert distros("ban", "--address", "nonsense").exit_code == 5


def test_the_record_tells_who_did_what(distros: Command) -> None:
    distros("pause", "--reason", "A test.")
    distros("resume")
    rows = [line.split("\t")[1:] for line in distros("audit").stdout.splitlines()]
    assert rows == [
        ["admin", "resume_launches", "", "ok"],
        ["admin", "pause_launches", "A test.", "ok"],
    ]
