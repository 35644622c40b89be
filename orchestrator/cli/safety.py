"""`ban`, `unban`, `bans`, `takedown`, `pause`, `resume`, `audit`: against abuse."""

from typing import Annotated

import typer

from ..connection import Document
from . import completion
from .environment import connect
from .errors import ExitCode, Failure
from .output import AsJson, note, print_json, print_table
from .token import moment

Instance = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Whoever launched this instance.",
        autocompletion=completion.instances,
    ),
]
Address = Annotated[
    str | None, typer.Option(metavar="IP", help="An internet address; of IPv6 its /64.")
]
Visitor = Annotated[
    str | None, typer.Option(metavar="CODE", help="A visitor, as the admin page shows them.")
]
Distribution = Annotated[
    str | None,
    typer.Option(metavar="SLUG", help="A distribution.", autocompletion=completion.distributions),
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="For the record.")]


def ban(
    instance: Instance = None,
    address: Address = None,
    visitor: Visitor = None,
    distribution: Distribution = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Launch and renew nothing more for a visitor or an address, or of a distribution.

    What is on its way ends. What is ready goes on until its time is up: `takedown` ends it.
    """
    target = _target(instance, address, visitor, distribution, reason)
    with connect() as client:
        bans = client.ban(target)
    _show(bans, as_json)


def unban(
    ban_id: Annotated[str, typer.Argument(metavar="ID", help="As `bans` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Lift a ban."""
    with connect() as client:
        client.unban(ban_id)
    if as_json:
        print_json({"lifted": ban_id})


def bans(as_json: AsJson = False) -> None:
    """List the bans."""
    with connect() as client:
        found = client.bans()
    _show(found, as_json)


def takedown(
    instance: Annotated[
        str | None,
        typer.Option(metavar="ID", help="This instance.", autocompletion=completion.instances),
    ] = None,
    address: Address = None,
    visitor: Visitor = None,
    distribution: Distribution = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Its owner reads it.")] = None,
    and_ban: Annotated[
        bool,
        typer.Option("--ban", help="Ban whoever launched them, or the distribution, as well."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Stop an instance, or all of an address, a visitor or a distribution, at once."""
    target = _target(instance, address, visitor, distribution, reason) | {"ban": and_ban}
    with connect() as client:
        done = client.take_down(target)
    if as_json:
        print_json(done)
        return
    for stopped in done["stopped"]:
        typer.echo(stopped)
    count = len(done["stopped"])
    note(f"{count} {'instance was' if count == 1 else 'instances were'} stopped.")


def pause(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Visitors read it.")],
    as_json: AsJson = False,
) -> None:
    """Stop all new launches, until `resume`. What runs goes on; a restart changes nothing."""
    with connect() as client:
        paused = client.pause(reason)
    if as_json:
        print_json(paused)


def resume(as_json: AsJson = False) -> None:
    """Let launches go on."""
    with connect() as client:
        client.resume()
    if as_json:
        print_json({"paused": None})


def audit(as_json: AsJson = False) -> None:
    """List the latest actions of admins, newest first."""
    with connect() as client:
        entries = client.audit()
    if as_json:
        print_json(entries)
        return
    names = ("actor", "address", "action", "target", "result")
    print_table(
        ("WHEN (UTC)", "WHO", "FROM", "WHAT", "TARGET", "RESULT"),
        [(moment(each["at"]), *(each[name] for name in names)) for each in entries],
        empty="Nothing was done yet.",
    )


def _target(
    instance: str | None,
    address: str | None,
    visitor: str | None,
    distribution: str | None,
    reason: str | None,
) -> Document:
    named = {
        "instance": instance,
        "address": address,
        "visitor": visitor,
        "distribution": distribution,
    }
    target: Document = {name: value for name, value in named.items() if value}
    if len(target) != 1:
        raise Failure(
            "one of --instance, --address, --visitor, --distribution is wanted.",
            code=ExitCode.USAGE,
        )
    return target | ({"reason": reason} if reason else {})


def _show(found: list[Document], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        ("ID", "KIND", "WHO OR WHAT", "REASON", "SINCE (UTC)"),
        [
            (each["id"], each["kind"], each["shown"], each["reason"], moment(each["created_at"]))
            for each in found
        ],
        empty="Nobody is banned.",
    )
