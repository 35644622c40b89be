"""What an owner takes of a site before its end: the program that packs it, and the file's name."""

import tarfile
from datetime import datetime
from typing import Final

from .distribution import Distribution, TakeAway

BLOCK: Final = 512  # bytes, of a tar archive
README: Final = "README.txt"
_MAGIC: Final = slice(257, 262)  # of an archive's first block


def command(wanted: TakeAway) -> tuple[str, ...]:
    """Run in the container, it writes a tar archive to its output; the names in it lack the first
    slash, so that it can be unpacked anywhere."""
    return wanted.command or ("tar", "-C", "/", "-cf", "-", "--", *names(wanted))


def names(wanted: TakeAway) -> tuple[str, ...]:
    """What is in the archive, beside the README."""
    return tuple(path.removeprefix("/") for path in wanted.paths)


def is_whole(wanted: TakeAway, status: int) -> bool:
    """Whether all has been packed, by the program's exit status. With 1, tar says that a file was
    being written while it was read, or went away: a site in use does that."""
    return status == 0 or (status == 1 and wanted.command is None)


def is_archive(head: bytes) -> bool:
    """Whether it begins as a tar archive does, and not with an error message."""
    return len(head) >= BLOCK and head[_MAGIC] == b"ustar"


def readme_entry(text: str, now: datetime) -> bytes:
    """A tar entry, to stand before the others."""
    body = text.encode()
    entry = tarfile.TarInfo(README)
    entry.size, entry.mtime = len(body), int(now.timestamp())
    return entry.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % BLOCK)


def file_name(distribution: Distribution, site: str | None, now: datetime) -> str:
    """Such as "team-notes-2026-11-25.tar.gz"."""
    return f"{site or distribution.slug}-{now:%Y-%m-%d}.tar.gz"
