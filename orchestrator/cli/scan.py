"""`images scan`: what each image runs as and brings along, and whether it may run."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from ..catalog import load_catalog
from ..domain.distribution import Distribution
from ..settings import Settings
from .environment import local_settings
from .errors import ExitCode
from .output import AsJson, note, print_json, print_table, say

if TYPE_CHECKING:
    from ..engine.scan import Scan

COLUMNS = ("SLUG", "USER", "SIZE", "EXPOSES", "VOLUMES", "SETUID", "WRITABLE", "MAY RUN")


def scan(slugs: list[str] | None, as_json: AsJson) -> None:
    """Raises UnknownDistribution, EngineError."""
    settings = local_settings()
    catalog = load_catalog(settings.distributions_dir)
    chosen = [catalog.get(slug) for slug in slugs] if slugs else list(catalog)
    scans = list(scans_of(settings, chosen))
    if as_json:
        print_json([asdict(one) for one in scans])
    else:
        print_table(COLUMNS, [_row(one) for one in scans], empty="None of the images is here.")
        for one in scans:
            _explain(one)
        for missing in sorted({one.slug for one in chosen} - {one.slug for one in scans}):
            note(f"{missing}: its image is not here.")
    if any(one.refused for one in scans):
        raise typer.Exit(ExitCode.FAILED)


def scans_of(settings: Settings, distributions: Iterable[Distribution]) -> Iterable["Scan"]:
    from ..engine.scan import scan as scanned  # brings Docker's SDK
    from ..engine.sdk import Client, translate

    try:
        client = Client(settings.docker_url, timeout=settings.engine_timeout.total_seconds())
    except Exception as error:
        raise translate(error) from error
    with closing(client):
        found = [scanned(client, one) for one in distributions]
    return [one for one in found if one is not None]


def _row(one: "Scan") -> tuple[str, ...]:
    return (
        one.slug,
        one.user,
        f"{one.size / 1e6:.0f} MB",
        ", ".join(one.exposed) or "-",
        ", ".join(one.volumes) or "-",
        str(len(one.rights.setuid) + len(one.rights.capabilities)),
        str(len(one.rights.world_writable)),
        "no" if one.refused else "yes",
    )


def _explain(one: "Scan") -> None:
    for reason in one.refused:
        say(f"{one.slug} is refused: {reason}")
    if not one.pinned:
        note(
            f"{one.slug}: {one.ref} has no digest; whoever can push to its registry can change it."
        )
    if one.healthcheck:
        note(f"{one.slug}: its health check is left out, as Traefik would wait for it.")
