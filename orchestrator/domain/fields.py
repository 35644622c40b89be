"""Kinds of fields in a `distribution.toml`, and of some settings: how each is written."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ByteSize, StringConstraints

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(value: object) -> object:
    """Reads "40m" as 40 minutes. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([smhd])", value.strip())):
        try:
            return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        except OverflowError as error:
            raise ValueError("must be shorter than a million years") from error
    raise ValueError('must be a whole number with a unit, such as "60s", "40m", "2h" or "7d"')


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError('must be "1s" or longer')
    return value


def _mountable(value: ByteSize) -> ByteSize:
    if value < 64 * 1024:
        raise ValueError('must be at least "64KiB"')
    return value


def _bare(path: str) -> str:
    if "?" in path or "#" in path:
        raise ValueError("must be a path alone, such as /sign-in.php: a query is added to it")
    return path


# Docker's own grammar: [registry/]path[:tag][@digest]. A registry is told by its dot or its port.
_REGISTRY = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::[0-9]+)?|[A-Za-z0-9-]+:[0-9]+"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
IMAGE_REFERENCE = (
    rf"^(?:(?:{_REGISTRY})/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$"
)
URL_PATH = r"^/[^\s]*$"
MOUNT_PATH = r"^(?:/[A-Za-z0-9_.-]*[A-Za-z0-9_-])+$"  # no part is "." or ".."
ENVIRONMENT_NAME = r"^[A-Z_][A-Z0-9_]*$"
RUNTIME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
# A number: a name would be looked up in the image's own list of users, where it may be root's.
USER_NUMBER = r"^[1-9][0-9]{0,8}(?::[0-9]{1,9})?$"
RESERVED_NAMES = ("PATH", "HOME", "HOSTNAME")  # and LD_…: a program's start depends on them

Duration = Annotated[timedelta, BeforeValidator(seconds_of)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]  # where nothing is meant by 0
UrlPath = Annotated[str, StringConstraints(pattern=URL_PATH, max_length=200)]
BarePath = Annotated[UrlPath, AfterValidator(_bare)]
MountPath = Annotated[str, StringConstraints(pattern=MOUNT_PATH, max_length=200)]
MountSize = Annotated[ByteSize, AfterValidator(_mountable)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
ImageReference = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=IMAGE_REFERENCE, max_length=200)
]
EnvironmentName = Annotated[str, StringConstraints(pattern=ENVIRONMENT_NAME)]
UserNumber = Annotated[str, StringConstraints(pattern=USER_NUMBER)]
