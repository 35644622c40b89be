"""`token`: the admin's token, for CI and scripts."""

import typer

from .environment import find_server
from .output import AsJson, note, out, print_json

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
