"""`launch --follow` and `follow`: a site's clock, its renewal, its end."""

import json
import subprocess
import termios
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.cli.follow import ENDINGS, ending_of, told
from orchestrator.domain.models import Reason, State

from ..support import ADMIN
from .conftest import Command, Served
from .terminal import COMMAND, environment, terminal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def the_one(server: Served) -> str:
    """The id of the only site."""
    live = server.world.services.ledger.live
    (instance_id,) = [each.id for each in live.values() if not each.pooled]
    return instance_id


def delete(server: Served) -> None:
    server.do(server.world.services.leases.delete(ADMIN, the_one(server)))


def crash(server: Served) -> None:
    engine = server.world.engine
    server.do(engine.host.crash(engine.name_of(the_one(server))))


def expire(server: Served) -> None:
    async def let_time_pass() -> None:
        server.world.clock.advance(hours=1)
        server.world.services.ledger.changed.set()

    server.do(let_time_pass())


@pytest.mark.parametrize(
    ("end", "sentence", "code"),
    [
        (expire, "Its time is up", 0),
        (delete, "It was deleted", 0),
        (crash, "distros: It has crashed", 1),
    ],
)
def test_it_shows_the_clock_and_says_how_the_site_has_ended(
    server: Served, end: object, sentence: str, code: int
) -> None:
    assert callable(end)
    with terminal(server, "launch", "wiki", "--follow") as shell:
        shell.until("left, until")
        end(server)
        assert shell.ended() == code
    assert "39:5" in shell.shown or "40:00" in shell.shown
    assert sentence in shell.shown
    assert (
        shell.raw.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in shell.raw
    )  # the cursor is back


def test_leaving_leaves_the_site_alone_and_says_so(server: Served) -> None:
    with terminal(server, "launch", "wiki", "--follow") as shell:
        shell.until("Ctrl-C leaves it running")
        instance_id = the_one(server)
        shell.press("\x03")
        assert shell.ended() == 130
    assert "The site goes on until" in shell.shown
    assert f"distros follow {instance_id}  follows it again" in shell.shown
    assert f"distros delete {instance_id}  ends it" in shell.shown
    assert "Traceback" not in shell.shown and "Aborted" not in shell.shown
    assert server.world.services.ledger.live[instance_id].state is State.READY


def test_ctrl_c_leaves_where_the_terminal_makes_a_key_of_it(server: Served) -> None:
    """As a program leaves it that was killed in raw mode."""
    with terminal(server, "launch", "wiki", "--follow") as shell:
        shell.until("Ctrl-C leaves it running")
        mode = termios.tcgetattr(shell.controller)
        mode[3] &= ~termios.ISIG
        termios.tcsetattr(shell.controller, termios.TCSANOW, mode)
        shell.press("\x03")
        assert shell.ended() == 130


def test_a_key_renews_it(server: Served) -> None:
    with terminal(server, "launch", "wiki", "--follow") as shell:
        shell.until("r renews")
        before = server.world.services.ledger.live[the_one(server)].expires_at
        shell.press("r")
        shell.until("Renewed: until")
        assert server.world.services.ledger.live[the_one(server)].expires_at > before
        delete(server)
        assert shell.ended() == 0


def test_one_that_runs_can_be_followed_again(server: Served, distros: Command) -> None:
    instance_id = json.loads(distros("launch", "wiki", "--wait", "--json").stdout)["id"]
    with terminal(server, "follow", instance_id) as shell:
        shell.until("left, until")
        delete(server)
        assert shell.ended() == 0


def test_of_one_that_has_ended_it_says_how(server: Served, distros: Command) -> None:
    instance_id = json.loads(distros("launch", "wiki", "--wait", "--json").stdout)["id"]
    delete(server)
    server.do(server.world.ended(instance_id))
    result = distros("follow", instance_id)
    assert (result.exit_code, result.stderr) == (0, "It was deleted, with everything in it.\n")
    assert distros("follow", "nobody").exit_code == 4


def test_a_reason_that_only_a_newer_server_knows_is_told_as_it_is() -> None:
    assert ending_of({"reason": "struck_by_lightning", "detail": None}) == (
        "It has ended (struck_by_lightning).",
        1,
    )


def test_in_a_pipe_it_prints_the_site_and_its_ending_and_nothing_else(server: Served) -> None:
    follower = subprocess.Popen(
        [*COMMAND, "launch", "wiki", "--follow", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(server),
        text=True,
    )
    assert follower.stdout
    ready, buffer = json.JSONDecoder(), ""
    while not buffer.endswith("\n}\n"):
        buffer += follower.stdout.readline()
    assert ready.decode(buffer)["state"] == "ready"
    delete(server)
    rest, complaints = follower.communicate(timeout=20)
    assert (ready.decode(rest)["state"], follower.returncode) == ("gone", 0)
    assert complaints == "It was deleted, with everything in it.\n"


def test_a_launch_that_fails_is_not_followed(distros: Command) -> None:
    result = distros("launch", "hidden", "--follow", "--timeout", "0s")
    assert result.exit_code == 1
    assert "The launch goes on" in result.stderr


def test_every_ending_has_a_sentence() -> None:
    assert ENDINGS.keys() == set(Reason)


@pytest.mark.parametrize(
    ("left", "keys", "renewable", "clock", "colour", "renews"),
    [
        (timedelta(minutes=40), True, True, "40:00", "green", True),
        (timedelta(seconds=61.2), True, False, "1:02", "yellow", False),
        (timedelta(seconds=-3), False, True, "0:00", "yellow", False),
    ],
)
def test_the_line_says_what_can_be_done(
    left: timedelta, keys: bool, renewable: bool, clock: str, colour: str, renews: bool
) -> None:
    document = {"state": "ready", "expires_at": (NOW + left).isoformat(), "renewable": renewable}
    line = told(document, NOW, keys=keys)
    assert f"[bold {colour}]{clock}[/]" in line
    assert ("r renews" in line) is renews and "Ctrl-C" in line
