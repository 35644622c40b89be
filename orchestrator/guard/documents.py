"""JSON, read strictly. Pure.

The engine is lenient: to Go, `HostConfig`, `hostconfig` and `HOSTCONFIG` are one key, and of two
the last one counts. Python would keep them apart, so that a check might look at the wrong one. A
key that occurs twice is refused here; one in another case is unknown to whoever reads on.
"""

import json
from typing import Any, Final

from .refusals import Refused

LONGEST: Final = 64 * 1024  # bytes; an instance's document has about 3,000


def parse(text: bytes | str) -> dict[str, Any]:
    """Raises Refused unless it is one object, no key of which occurs twice at any depth."""
    if len(text) > LONGEST:
        raise Refused(f"a document has at most {LONGEST} bytes", status=413)
    try:
        document = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:  # a wrong encoding is a ValueError, too
        raise Refused("this is no JSON") from error
    if not isinstance(document, dict):
        raise Refused("a document must be an object")
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a key occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise Refused(f"{name} is no JSON")
