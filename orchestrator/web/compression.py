"""gzip, for what is the same for everybody.

Who makes a visitor's browser ask for pages, and sees how long the answers are, must not learn from
their length what stands in them (BREACH). So whatever is one visitor's goes as it is, in a stream's
*stored* blocks, and no compressed block refers to one of those. See
docs/decisions/0030-compression.md.
"""

import functools
import gzip
import struct
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from starlette.requests import Request

BEST: Final = 9
WITHOUT_FRAME: Final = -15  # no header and no sum: a part of a stream
HEAD: Final = b"\x1f\x8b\x08" + bytes(5) + b"\x02\xff"  # deflate, made at no time, nowhere
LAST_BLOCK: Final = b"\x03\x00"  # an empty one
LARGEST_STORED: Final = 0xFFFF  # bytes of one block
LONGEST_HEADER: Final = 200  # what browsers send has 30 characters
VARIES: Final = {"Vary": "Accept-Encoding"}


class Part(NamedTuple):
    """Of a gzip stream: what it says, and how the stream says it."""

    plain: bytes
    packed: bytes


def compressed(plain: bytes) -> Part:
    """Complete in itself, and it ends with a whole byte."""
    packer = zlib.compressobj(BEST, zlib.DEFLATED, WITHOUT_FRAME)
    return Part(plain, packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH))


def stored(plain: bytes) -> Part:
    """As it is: five bytes longer, or a few more."""
    blocks = (
        plain[start : start + LARGEST_STORED] for start in range(0, len(plain), LARGEST_STORED)
    )
    return Part(plain, b"".join(b"\0" + _sizes(block) + block for block in blocks))


def joined(parts: Iterable[Part]) -> bytes:
    """A whole gzip stream."""
    parts = tuple(parts)
    plain = b"".join(part.plain for part in parts)
    tail = struct.pack("<II", zlib.crc32(plain), len(plain) & 0xFFFFFFFF)
    return b"".join((HEAD, *(part.packed for part in parts), LAST_BLOCK, tail))


def whole(plain: bytes) -> bytes:
    """One that nobody's secrets stand in."""
    return gzip.compress(plain, BEST, mtime=0)


def accepts_gzip(request: Request) -> bool:
    return _accepts(request.headers.get("accept-encoding", "")[:LONGEST_HEADER])


@functools.lru_cache(maxsize=256)
def _accepts(header: str) -> bool:
    """What is named counts more than `*`."""
    weights = {}
    for part in header.lower().split(","):
        coding, _, parameter = part.partition(";")
        try:
            weights[coding.strip()] = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            weights[coding.strip()] = 0
    return weights.get("gzip", weights.get("*", 0)) > 0


def _sizes(block: bytes) -> bytes:
    return struct.pack("<HH", len(block), len(block) ^ 0xFFFF)
