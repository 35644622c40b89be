"""The `distros` command: the service, its instances, images and catalogue from a terminal.

Errors are a sentence and a hint on standard error, never a traceback. `errors.ExitCode` says how
a command ends.
"""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from . import admin, catalog, images, instances, launching, safety, token
from .backup import backup, restore
from .differences import differences
from .doctor import doctor
from .environment import command_settings
from .errors import MEANINGS, ExitCode, Failure, failure_of
from .examples import give_examples
from .output import AsJson, complain, print_json
from .pool import pool


class Commands(TyperGroup):
    """Turns the errors that are foreseen, and Ctrl-C, into a sentence and an exit code. Its help
    has the commands by what they are about, and what the exit codes mean."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for about in ABOUT:
            commands = [each for each in self.commands.values() if panel_of(each) == about]
            with formatter.section(about):
                formatter.write_dl([(each.name, each.get_short_help_str(200)) for each in commands])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), told) for code, told in MEANINGS.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Exit(ExitCode.INTERRUPTED) from error
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            complain(failure.message, failure.hint)
            raise typer.Exit(failure.code) from error


SITES, CATALOGUE, ABUSE, SERVER = ABOUT = (
    "Sites",
    "What can be launched",
    "Against abuse",
    "The server",
)


def panel_of(command: Any) -> str:
    found: str | None = command.rich_help_panel
    return found or SERVER


app = typer.Typer(
    name="distros",
    cls=Commands,
    help="Launch private, disposable web applications, each on a subdomain of its own.\n\n"
    "The server is the stack of this checkout, found through .env, or the one that DISTROS_URL "
    "and DISTROS_TOKEN name.",
    no_args_is_help=True,
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


@app.command(rich_help_panel=SERVER)
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


app.command(rich_help_panel=SITES)(launching.launch)
app.command(rich_help_panel=SITES)(launching.wait)
app.command(rich_help_panel=SITES)(launching.follow)
app.command("list", rich_help_panel=SITES)(instances.list_instances)
app.command(rich_help_panel=SITES)(instances.show)
app.command(rich_help_panel=SITES)(instances.renew)
app.command(rich_help_panel=SITES)(instances.delete)
app.command(rich_help_panel=SITES)(instances.logs)
app.add_typer(catalog.commands, name="catalog", rich_help_panel=CATALOGUE)
app.add_typer(images.commands, name="images", rich_help_panel=CATALOGUE)
app.command(rich_help_panel=CATALOGUE)(pool)
app.command(rich_help_panel=ABUSE)(safety.takedown)
app.command(rich_help_panel=ABUSE)(safety.ban)
app.command(rich_help_panel=ABUSE)(safety.unban)
app.command(rich_help_panel=ABUSE)(safety.bans)
app.command(rich_help_panel=ABUSE)(safety.pause)
app.command(rich_help_panel=ABUSE)(safety.resume)
app.command(rich_help_panel=ABUSE)(safety.audit)
app.add_typer(token.commands, name="token", rich_help_panel=SERVER)
app.add_typer(admin.commands, name="admin", rich_help_panel=SERVER)
app.command(rich_help_panel=SERVER)(differences)
app.command(rich_help_panel=SERVER)(backup)
app.command(rich_help_panel=SERVER)(restore)
app.command(rich_help_panel=SERVER)(doctor)


@app.command("version", rich_help_panel=SERVER)
def show_version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        _version(True)


give_examples(app)


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
