"""`images`: builds and pulls the catalogue's images on this machine's Docker Engine."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

from ..catalog import Catalog, load_catalog
from ..domain.distribution import Distribution
from ..domain.engine_errors import EngineError
from ..engine.base import Engine
from ..settings import Settings
from . import completion
from .environment import local_settings
from .errors import ExitCode, Failure
from .following import Follow, Lines, follow_build, follow_pull
from .output import AsJson, complain, print_json, print_table, say
from .scan import scan as scan_images

commands = typer.Typer(help="The distributions' images on this machine.", no_args_is_help=True)

Slugs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SLUG",
        help="Only these distributions' images.",
        autocompletion=completion.own_distributions,
    ),
]
OnlyMissing = Annotated[bool, typer.Option("--missing", help="Leave out those that are there.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show all that the engine says.")]

Work = Callable[[Engine, Distribution], Lines]

_TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
_BUILDERS_OWN = re.compile(r"(--->|Step \d|Removing intermediate container)")
_COMPLAINT = re.compile(r"\b(error|failed|could not|cannot|unable|not found|no such)\b|^E: ", re.I)


@dataclass(frozen=True, slots=True)
class Outcome:
    slug: str
    ref: str
    result: Literal["done", "present", "failed"]
    error: str | None = None  # one line


@commands.command("list")
def list_images(as_json: AsJson = False) -> None:
    """List each distribution's image and whether it is here."""
    settings = local_settings()
    catalog = load_catalog(settings.distributions_dir)
    present = asyncio.run(_present(settings, catalog))
    if as_json:
        print_json(
            [
                {
                    "slug": one.slug,
                    "ref": one.image.ref,
                    "build": one.image.build,
                    "present": present[one.slug],
                }
                for one in catalog
            ]
        )
        return
    print_table(
        ("SLUG", "IMAGE", "COMES BY", "HERE"),
        [
            (
                one.slug,
                one.image.ref,
                "build" if one.image.build else "pull",
                "yes" if present[one.slug] else "no",
            )
            for one in catalog
        ],
        empty="The catalogue is empty.",
    )


@commands.command()
def build(
    slugs: Slugs = None,
    missing: OnlyMissing = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Build images from the Dockerfiles of the catalogue; all of them where none is named.

    One that fails is reported in a line and does not keep the others; exit code 1 if any failed.
    """
    settings = local_settings()
    catalog = load_catalog(settings.distributions_dir)
    chosen = _choose(catalog, slugs, built=True)

    def work(engine: Engine, one: Distribution) -> Lines:
        return engine.build(catalog.folder(one.slug), one.image.ref)

    _report(asyncio.run(_bring(settings, chosen, work, follow_build, missing, verbose)), as_json)


@commands.command()
def pull(
    slugs: Slugs = None,
    missing: OnlyMissing = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Pull the images that are not built here; all of them where none is named."""
    settings = local_settings()
    chosen = _choose(load_catalog(settings.distributions_dir), slugs, built=False)

    def work(engine: Engine, one: Distribution) -> Lines:
        return engine.pull(one.image.ref)

    _report(asyncio.run(_bring(settings, chosen, work, follow_pull, missing, verbose)), as_json)


@commands.command()
def scan(slugs: Slugs = None, as_json: AsJson = False) -> None:
    """Say what each image runs as, exposes and brings along; exit code 1 if any is refused.

    Nothing of an image is executed. Setuid programs and files with capabilities are counted, and
    have no effect in an instance: it gets no new privileges.
    """
    scan_images(slugs, as_json)


def _choose(catalog: Catalog, slugs: list[str] | None, *, built: bool) -> list[Distribution]:
    """Raises UnknownDistribution, Failure."""
    chosen = [catalog.get(slug) for slug in slugs] if slugs else list(catalog)
    wrong = [one.slug for one in chosen if one.image.build is not built]
    if slugs and wrong:
        right = "`distros images pull` brings" if built else "`distros images build` makes"
        raise Failure(f"{right} the image of {', '.join(wrong)}.", code=ExitCode.USAGE)
    return [one for one in chosen if one.slug not in wrong]


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[Engine]:
    from ..app import docker_engine  # it brings every part along; other commands do not wait for it

    engine = docker_engine(settings)
    try:
        yield engine
    finally:
        await engine.close()


async def _present(settings: Settings, catalog: Iterable[Distribution]) -> dict[str, bool]:
    async with _engine(settings) as engine:
        return {one.slug: await engine.image_id(one.image.ref) is not None for one in catalog}


async def _bring(
    settings: Settings,
    chosen: Iterable[Distribution],
    work: Work,
    follow: Follow,
    missing: bool,
    verbose: bool,
) -> list[Outcome]:
    """One after the other. Raises EngineUnavailable."""
    outcomes = []
    async with _engine(settings) as engine:
        for one in chosen:
            ref = one.image.ref
            if missing and await engine.image_id(ref) is not None:
                outcomes.append(Outcome(one.slug, ref, "present"))
                continue
            try:
                async with aclosing(work(engine, one)) as lines:
                    await follow(lines, ref, verbose)
                await engine.check_image(one)
            except EngineError as error:
                outcomes.append(Outcome(one.slug, ref, "failed", gist(error.message)))
            else:
                outcomes.append(Outcome(one.slug, ref, "done"))
    return outcomes


def gist(output: str) -> str:
    """The line that says what went wrong: the last complaint, or else the last line."""
    lines = [_TERMINAL_SEQUENCE.sub("", line).strip() for line in output.splitlines()]
    told = [line for line in lines if line and not _BUILDERS_OWN.match(line)] or [output.strip()]
    return next(filter(_COMPLAINT.search, reversed(told)), told[-1])


def _report(outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    for outcome in outcomes:
        if outcome.error is not None:
            complain(f"no image for {outcome.slug}: {outcome.error}", "--verbose shows all of it.")
        elif not as_json:
            here = "was there already" if outcome.result == "present" else "is ready"
            say(f"{outcome.ref} {here}.")
    if any(outcome.result == "failed" for outcome in outcomes):
        raise typer.Exit(ExitCode.FAILED)
