"""`admin`: the password of the admin page."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from ..service.admin_secrets import LONGEST, SHORTEST, hashed
from .environment import find_env_file
from .errors import ExitCode, Failure
from .output import note

VARIABLE: Final = "DISTROS_ADMIN_PASSWORD_HASH"

commands = typer.Typer(no_args_is_help=True)


@commands.callback()
def admin() -> None:
    """The admin page."""


@commands.command()
def password(
    write: Annotated[
        bool, typer.Option("--write", help="Write it into .env, instead of printing it.")
    ] = False,
) -> None:
    """Set the admin page's password: asks for it twice, and prints the line for .env.

    The line has a hash, not the password. It counts from the next `make up` on; then everybody
    who is signed in must sign in anew.
    """
    path = find_env_file() if write else None
    if write and path is None:
        raise Failure("there is no .env.", hint="`make up` makes it.", code=ExitCode.USAGE)
    chosen = typer.prompt("Password", hide_input=True, err=True)
    if len(chosen) < SHORTEST:
        raise Failure(
            f"the password has {len(chosen)} characters, and at least {SHORTEST} are wanted.",
            hint="Several words in a row are good, and easy to keep in mind.",
            code=ExitCode.USAGE,
        )
    if len(chosen) > LONGEST:
        raise Failure(f"at most {LONGEST} characters are taken.", code=ExitCode.USAGE)
    if typer.prompt("Once more", hide_input=True, err=True) != chosen:
        raise Failure("the two are not the same.", hint="Try again.", code=ExitCode.USAGE)
    # In single quotes Compose, shells and the settings all leave its dollar signs alone.
    line = f"{VARIABLE}='{hashed(chosen)}'"
    if path is None:
        typer.echo(line)
        return
    _write(path, line)
    note(f"Written to {path}. `make up` makes it count.")


def _write(path: Path, line: str) -> None:
    """In the place of the line that sets it, or of the example, or at the end; all or nothing."""
    lines = path.read_text().splitlines()
    earlier = (f"{VARIABLE}=", f"# {VARIABLE}=")
    places = [at for start in earlier for at, each in enumerate(lines) if each.startswith(start)]
    if places:
        lines[places[0]] = line
    else:
        lines.append(line)
    target = path.resolve()
    status = target.stat()
    handle, made = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    with os.fdopen(handle, "w") as file:
        file.write("\n".join(lines) + "\n")
        os.fchmod(file.fileno(), status.st_mode & 0o777)
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
    Path(made).replace(target)
