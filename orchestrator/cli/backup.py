"""`backup` and `restore`: the server's database as a file, while the server works."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from .environment import connect
from .errors import ExitCode, Failure
from .output import AsJson, note, print_json, say

PIECE = 256 * 1024  # bytes
STDOUT = Path("-")


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Where to write it; - is standard output. As a rule distros-DATE-TIME.db, here."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save the server's database, of this moment, to a file.

    The service goes on meanwhile. The file holds the passwords of running sites: nobody but its
    owner may read it. `distros restore` takes it back.
    """
    if file == STDOUT:
        with connect() as client, client.backup() as pieces:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    target = file or Path(f"distros-{datetime.now(UTC):%Y%m%d-%H%M%S}.db")
    _require_free(target, force)
    with connect() as client, client.backup() as pieces, _appearing(target, force) as made:
        for piece in pieces:
            made.write(piece)
        size = made.tell()
    if as_json:
        print_json({"file": str(target), "bytes": size})
    else:
        say(f"{target} is written, {size} bytes.")


def restore(
    file: Annotated[
        Path, typer.Argument(help="A file that `distros backup` has made; - is standard input.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the server's database.

    What runs goes on: live sites keep their owners and leases, and sites that had lost their owner
    with a damaged database get it back. Everything else becomes what it was in the backup.
    """
    if not yes:
        if file == STDOUT or not sys.stdin.isatty():
            message = "nothing was restored: nobody can be asked here."
            raise Failure(message, hint="--yes restores without asking.", code=ExitCode.USAGE)
        note("This replaces the server's database; what runs goes on.")
        typer.confirm(f"Restore {file}?", abort=True, err=True)
    with _opened(file) as source, connect() as client:
        done = client.restore(iter(lambda: source.read(PIECE), b""))
    if as_json:
        print_json(done)
        return
    say(f"{'Standard input' if file == STDOUT else file} is restored.")
    say(f"  instances in the database  {done['instances']}")
    say(f"  live ones that go on       {done['carried_over']}")
    say(f"  owners given back          {done['owners_back']}")


def _require_free(target: Path, force: bool) -> None:
    if target.is_dir():
        raise Failure(f"{target} is a folder.", hint="Name a file.", code=ExitCode.USAGE)
    if target.exists() and not force:
        raise Failure(f"{target} exists.", hint="--force overwrites it.", code=ExitCode.USAGE)


@contextlib.contextmanager
def _appearing(target: Path, force: bool) -> Iterator[BinaryIO]:
    """A file that is there under its name once it is complete, and only its owner's to read."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=target.absolute().parent, prefix=f".{target.name}.", delete=False
        ) as made:
            unfinished = Path(made.name)
            try:
                yield made  # type: ignore[misc]  # it is one, behind a wrapper
                made.flush()
                os.fsync(made.fileno())
                _require_free(target, force)
                unfinished.replace(target)
            finally:
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"{target} cannot be written: {reason}.") from error


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file == STDOUT:
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"{file} cannot be read: {reason}."
        raise Failure(message, code=ExitCode.USAGE) from error
    with source:
        yield source
