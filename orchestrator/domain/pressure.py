"""Whether the machine has room for more. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_UNITS: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


@dataclass(frozen=True, slots=True)
class Room:
    """What is free, in bytes."""

    disks: Sequence[int]  # of each file system that can be seen
    memory: int


@dataclass(frozen=True, slots=True)
class Reserves:
    """What must stay free, in bytes. With 0 nothing is asked for."""

    disk: int
    memory: int


def disk_shortage(room: Room, reserves: Reserves) -> str | None:
    """A sentence, where a disk has less than its reserve."""
    least = min(room.disks, default=reserves.disk)
    if least >= reserves.disk:
        return None
    return _sentence("The disk is almost full", least, reserves.disk)


def memory_shortage(room: Room, reserves: Reserves) -> str | None:
    if room.memory >= reserves.memory:
        return None
    return _sentence("The memory is almost used up", room.memory, reserves.memory)


def _sentence(what: str, free: int, reserve: int) -> str:
    return f"{what}: {_amount(free)} free, {_amount(reserve)} are kept; running sites go on."


def _amount(size: int) -> str:
    unit, each = next(((unit, each) for unit, each in _UNITS if size >= each), ("bytes", 1))
    return f"{size / each:.1f}".removesuffix(".0") + f" {unit}"
