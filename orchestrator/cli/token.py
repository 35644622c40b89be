"""`token`: the admin's token, and others that may do less."""

from datetime import timedelta
from typing import Annotated

import typer

from ..domain.safeguards import Scope
from .duration import duration
from .environment import connect, find_server
from .output import AsJson, note, out, print_json, print_table

commands = typer.Typer()


@commands.callback(invoke_without_command=True)
def token(context: typer.Context) -> None:
    """The token for the API; alone, the same as `token show`."""
    if context.invoked_subcommand is None:
        show()


@commands.command()
def show(as_json: AsJson = False) -> None:
    """Print the token with which this command, or CI, uses the API."""
    server = find_server()
    value = server.required_token()
    if as_json:
        print_json({"url": server.url, "token": value})
        return
    typer.echo(value)
    if out.is_terminal:
        note(
            "\nElsewhere, as in CI, give both to `distros` or to any client of the API:\n"
            f"  export DISTROS_URL={server.url} DISTROS_TOKEN=…\n"
            '  curl -H "Authorization: Bearer $DISTROS_TOKEN" $DISTROS_URL/api/v1/instances'
        )


@commands.command()
def create(
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is for.")],
    scope: Annotated[
        Scope,
        typer.Option(
            help="launch: launch, and see, renew and delete what it has launched; "
            "read: see everything, change nothing; admin: everything."
        ),
    ] = Scope.LAUNCH,
    expires: Annotated[
        timedelta | None,
        typer.Option(metavar="TIME", parser=duration, help="Such as 12h, 90d; else never."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it. It is shown this once: the server keeps only a hash of it."""
    seconds = None if expires is None else round(expires.total_seconds())
    with connect() as client:
        made = client.create_token(name, scope, seconds)
    if as_json:
        print_json(made)
        return
    typer.echo(made["token"])
    if out.is_terminal:
        end = f"until {made['expires_at'][:16]} UTC" if made["expires_at"] else "until revoked"
        note(f"\nValid {end}. `distros token revoke {made['id']}` ends it.")


@commands.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens that were made, with their last use; never the tokens themselves."""
    with connect() as client:
        tokens = client.tokens()
    if as_json:
        print_json(tokens)
        return
    rows = [
        (
            each["id"],
            each["name"],
            each["scope"],
            "revoked" if each["revoked_at"] else moment(each["expires_at"]) or "never",
            moment(each["last_used_at"]) or "never",
        )
        for each in tokens
    ]
    print_table(
        ("ID", "NAME", "SCOPE", "EXPIRES", "LAST USE"),
        rows,
        empty="No token was made yet; `distros token create` makes one.",
    )


@commands.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a token; from now on it is not valid."""
    with connect() as client:
        client.revoke_token(token_id)
    if as_json:
        print_json({"revoked": token_id})


def moment(text: str | None) -> str:
    """ "2026-11-25 19:40", of UTC; "" where there is none."""
    return text[:16].replace("T", " ") if text else ""
