"""Prints a settings file for a shell to evaluate: `env_lines.py FILE`.

It is read as the service reads it, by python-dotenv, and as Compose does: comments and quotes are
no part of a value. What the shell has already goes before the file.
"""

import re
import shlex
import sys

from dotenv import dotenv_values


def main(path: str) -> None:
    """A file that is not there has no lines."""
    try:
        found = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"distros: {path} cannot be read: {error}") from error
    for name, value in found.items():
        if value is not None and re.fullmatch(r"DISTROS_[A-Z_]+", name):
            print(f"[[ -v {name} ]] || export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main(sys.argv[1])
