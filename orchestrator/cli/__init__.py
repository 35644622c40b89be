"""The `distros` command: the service, its instances, images and catalogue from a terminal.

Errors are a sentence and a hint on standard error, never a traceback. `errors.ExitCode` says how
a command ends.
"""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from . import catalog, images, instances, safety, token
from .backup import backup, restore
from .differences import differences
from .doctor import doctor
from .environment import command_settings
from .errors import MEANINGS, Failure, failure_of
from .output import AsJson, complain, print_json
from .pool import pool


class Commands(TyperGroup):
    """Turns the errors that are foreseen into a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            complain(failure.message, failure.hint)
            raise typer.Exit(failure.code) from error


EXIT_CODES = "\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="distros",
    cls=Commands,
    help="Launch private, disposable web applications, each on a subdomain of its own.\n\n"
    "The server is the stack of this checkout, found through .env, or the one that DISTROS_URL "
    "and DISTROS_TOKEN name.",
    epilog=f"\b\nExit codes:\n{EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distros {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None: ...


@app.command()
def serve(
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew at each change of the code.")
    ] = False,
) -> None:
    """Run the service, with its settings from the environment alone.

    DISTROS_HOST and DISTROS_PORT say where it listens.
    """
    from .serving import run  # takes half a second that the other commands need not wait

    run(reload=reload)


app.command()(instances.launch)
app.command()(instances.wait)
app.command("list")(instances.list_instances)
app.command()(instances.show)
app.command()(instances.renew)
app.command()(instances.delete)
app.command()(instances.logs)
app.add_typer(catalog.commands, name="catalog")
app.add_typer(images.commands, name="images")
app.add_typer(token.commands, name="token")
app.command()(pool)
app.command()(safety.takedown)
app.command()(safety.ban)
app.command()(safety.unban)
app.command()(safety.bans)
app.command()(safety.pause)
app.command()(safety.resume)
app.command()(safety.audit)
app.command()(differences)
app.command()(backup)
app.command()(restore)
app.command()(doctor)


@app.command("version")
def show_version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        _version(True)


def main() -> None:
    try:
        app()
    except Exception as error:
        if _debugging():
            raise
        complain(
            f"something unforeseen went wrong ({type(error).__name__}: {error}).",
            "DISTROS_DEBUG=1 shows where; please report it.",
        )
        sys.exit(1)


def _debugging() -> bool:
    try:
        return command_settings().debug
    except Failure:
        return False
