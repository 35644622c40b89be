"""`token`: the admin's token, for CI and scripts."""

import typer

from .environment import find_env_file, find_server
from .errors import ExitCode, Failure
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
    if server.token is None:
        where = find_env_file() or "the environment"
        raise Failure(
            f"there is no token for {server.url} in {where}.",
            hint="`make up` makes DISTROS_ADMIN_TOKEN in .env; DISTROS_TOKEN is for a remote one.",
            code=ExitCode.USAGE,
        )
    if as_json:
        print_json({"url": server.url, "token": server.token})
        return
    typer.echo(server.token)
    if out.is_terminal:
        note(
            "\nElsewhere, as in CI, give both to `distros` or to any client of the API:\n"
            f"  export DISTROS_URL={server.url} DISTROS_TOKEN=…\n"
            '  curl -H "Authorization: Bearer $DISTROS_TOKEN" $DISTROS_URL/api/v1/instances'
        )
