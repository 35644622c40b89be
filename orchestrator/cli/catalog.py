"""`catalog`: what a server offers, and whether a folder of distributions is right."""

from pathlib import Path
from typing import Annotated

import typer

from ..catalog import InvalidCatalog, load_catalog
from .environment import connect, local_settings
from .errors import ExitCode
from .output import AsJson, print_json, print_table, say
from .screenshots import screenshots

commands = typer.Typer(help="What can be launched.", no_args_is_help=True)
commands.command()(screenshots)


@commands.command("list")
def list_distributions(as_json: AsJson = False) -> None:
    """List the distributions that the server offers."""
    with connect(anonymous=True) as client:
        distributions = client.distributions()
    if as_json:
        print_json(distributions)
        return
    print_table(
        ("SLUG", "NAME", "VERSION", "AVAILABLE", "SUMMARY"),
        [
            (
                one["slug"],
                one["name"],
                one["version"],
                "yes" if one["available"] else "no",
                one["summary"],
            )
            for one in distributions
        ],
        empty="The catalogue is empty.",
    )


@commands.command()
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Folder of distributions; else this checkout's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every distribution.toml and print all problems; exit code 2 if there are any."""
    folder = folder or local_settings().distributions_dir
    try:
        slugs, problems = [distribution.slug for distribution in load_catalog(folder)], []
    except InvalidCatalog as error:
        slugs, problems = [], [str(problem) for problem in error.problems]
    if as_json:
        print_json({"distributions": slugs, "problems": problems})
    else:
        for problem in problems:
            say(problem)
        if not problems:
            amount = f"{len(slugs)} distribution{'s' * (len(slugs) != 1)}"
            say(f"{amount}, no problem: {', '.join(slugs)}.")
    if problems:
        raise typer.Exit(ExitCode.USAGE)
