"""`catalog`: what a server offers, and whether a folder of distributions is right."""

from pathlib import Path
from typing import Annotated

import typer

from ..catalog import InvalidCatalog, load_catalog
from ..domain.distribution import Distribution
from .environment import connect, local_settings
from .errors import ExitCode
from .output import AsJson, print_json, print_table, say
from .screenshots import screenshots

PIN = "add its “@sha256:…” to `image.ref`, as `docker pull` prints it"

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
    """Check every distribution.toml and print all problems; exit code 2 if there are any.

    It also lists what distributions ask for beyond what every instance gets (`[weaker]`), and the
    images that are pulled without a digest.
    """
    folder = folder or local_settings().distributions_dir
    catalog: tuple[Distribution, ...] = ()
    problems: list[str] = []
    try:
        catalog = tuple(load_catalog(folder))
    except InvalidCatalog as error:
        problems = [str(problem) for problem in error.problems]
    slugs = [one.slug for one in catalog]
    weaker = {one.slug: dict(one.weaker.asked()) for one in catalog if any(one.weaker.asked())}
    unpinned = [one.slug for one in catalog if not one.image.pinned]
    if as_json:
        print_json(
            {
                "distributions": slugs,
                "problems": problems,
                "weaker": weaker,
                "without_digest": unpinned,
            }
        )
    else:
        for problem in problems:
            say(problem)
        if not problems:
            amount = f"{len(slugs)} distribution{'s' * (len(slugs) != 1)}"
            say(f"{amount}, no problem: {', '.join(slugs)}.")
        for slug, asked in weaker.items():
            for key, reason in asked.items():
                say(f"{slug} asks for {key}: {reason}")
        for one in catalog:
            if one.slug in unpinned:
                say(f"{one.slug}: {one.image.ref} is pulled without a digest; {PIN}.")
    if problems:
        raise typer.Exit(ExitCode.USAGE)
