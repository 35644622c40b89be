"""What an image brings along: what it runs as, what it exposes, and what in its files gives rights.

Nothing of the image is executed: its files are read as the archive that the engine makes of a
container which is created, never started, and removed again.
"""

import contextlib
import io
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..domain.distribution import Distribution
from .admission import refusals, user_of
from .sdk import Client, ImageNotFound, translate

_CAPABILITY: Final = "SCHILY.xattr.security.capability"
_CHUNK: Final = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Rights:
    """Paths in an image that give rights to whoever runs or writes them."""

    setuid: tuple[str, ...] = ()  # and setgid; without effect: instances get no new privileges
    capabilities: tuple[str, ...] = ()  # files with capabilities; likewise
    world_writable: tuple[str, ...] = ()  # folders, those with a sticky bit left out


@dataclass(frozen=True, slots=True)
class Scan:
    slug: str
    ref: str
    pinned: bool  # built here, or named by its digest
    user: str
    size: int  # bytes
    entrypoint: tuple[str, ...]  # and its arguments
    exposed: tuple[str, ...]
    volumes: tuple[str, ...]
    healthcheck: bool
    labels: dict[str, str]
    rights: Rights
    refused: tuple[str, ...]  # why, as sentences; empty where it may run


def scan(client: Client, distribution: Distribution) -> Scan | None:
    """None where the image is not here. Raises EngineError."""
    ref = distribution.image.ref
    try:
        image: dict[str, Any] = client.inspect_image(ref)  # type: ignore[no-untyped-call]
        rights = rights_in(_files(client, ref))
    except Exception as error:
        translated = translate(error)
        if isinstance(translated, ImageNotFound):
            return None
        raise translated from error
    config: dict[str, Any] = image.get("Config") or {}
    return Scan(
        slug=distribution.slug,
        ref=ref,
        pinned=distribution.image.pinned,
        user=user_of(distribution, config),
        size=image["Size"],
        entrypoint=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        exposed=tuple(sorted(config.get("ExposedPorts") or ())),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        healthcheck=bool(config.get("Healthcheck")),
        labels=dict(sorted((config.get("Labels") or {}).items())),
        rights=rights,
        refused=tuple(f"It {each.said}. {each.hint}" for each in refusals(distribution, config)),
    )


def rights_in(files: Iterable[tarfile.TarInfo]) -> Rights:
    setuid, capable, writable = [], [], []
    for file in files:
        path = "/" + file.name.removeprefix("./")
        if file.isreg() and file.mode & (stat.S_ISUID | stat.S_ISGID):
            setuid.append(path)
        if _CAPABILITY in file.pax_headers:
            capable.append(path)
        if file.isdir() and file.mode & stat.S_IWOTH and not file.mode & stat.S_ISVTX:
            writable.append(path)
    return Rights(*(tuple(sorted(each)) for each in (setuid, capable, writable)))


def _files(client: Client, ref: str) -> Iterator[tarfile.TarInfo]:
    # A command is needed to create one, whether or not the image has it.
    container = client.create_container(ref, ["-"], network_disabled=True, use_config_proxy=False)
    try:
        with (
            contextlib.closing(client.export(container["Id"], chunk_size=_CHUNK)) as chunks,
            tarfile.open(fileobj=_Reader(chunks), mode="r|") as archive,
        ):
            yield from archive
    finally:
        client.remove_container(container["Id"], v=True, force=True)


class _Reader(io.RawIOBase):
    """A file of what comes in chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [self._rest], size - len(self._rest)
        while wanted > 0 and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            wanted -= len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]
