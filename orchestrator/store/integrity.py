"""Whether an SQLite file is sound, and what becomes of one that is not.

It is asked at each start, before anything is read from it. SQLite removes its `-wal` file when the
last connection is closed in order, so one that lies there means an unclean end: then the whole
check is made (`integrity_check`); after a clean end, or where the file is larger than `BIG`, the
quick one, which does not compare the indices with their tables. (A quarter of a gigabyte takes
0.3 s and 0.2 s where the file is cached.)

A damaged database is set aside under another name, with the `-wal` and `-shm` files that belong to
it, and the service starts with an empty one; see docs/decisions/0009.
"""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from .database import PATIENCE, primary_code

log = structlog.get_logger(__name__)

BIG: Final = 512 * 1024**2  # bytes
_COMPANIONS: Final = ("-wal", "-shm")
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside_if_damaged(path: Path) -> Path | None:
    """Where the damaged one is now; None where the database is sound, or new.

    Raises sqlite3.Error where the file cannot be read for another reason.
    """
    unclean = _beside(path, "-wal").exists()
    size = path.stat().st_size
    if not size and not unclean:
        return None
    check = "integrity_check" if unclean and size <= BIG else "quick_check"
    began = time.monotonic()
    damage = damage_of(path, check)
    seconds = round(time.monotonic() - began, 3)
    if damage is None:
        if unclean:
            log.info("database is sound after an unclean end", check=check, seconds=seconds)
        return None
    aside = _set_aside(path)
    log.error(
        "the database is damaged and was set aside; the service starts with an empty one",
        damage=damage,
        file=str(aside),
        hint="Running sites go on, without their owners. `distros restore FILE` brings a backup "
        "back; docs/backup.md says what else can be tried.",
    )
    return aside


def damage_of(path: Path, check: str = "integrity_check") -> str | None:
    """SQLite's own words; None where it finds nothing. Writes nothing.

    Raises sqlite3.Error where the file cannot be read for another reason.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as connection:
            [said] = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.Error as error:
        if primary_code(error) not in _DAMAGE:
            raise
        said = str(error)
    return None if said == "ok" else " ".join(said.split())


def _set_aside(path: Path) -> Path:
    """The companions first: left behind alone, they would be taken for the next database's."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for companion in _COMPANIONS:
        if (left := _beside(path, companion)).exists():
            left.rename(_beside(aside, companion))
    path.rename(aside)
    return aside


def _beside(path: Path, companion: str) -> Path:
    return path.with_name(path.name + companion)
