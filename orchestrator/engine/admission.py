"""Whether an image may run as its distribution asks. Pure functions of what the engine says of it.

They are asked after every pull and build, before every start, and by `distros images scan`. Refused
is what the container would inherit from the image, past what `container.py` gives it:

- labels: an image could write its own routes, or pose as ours
- root, and users by name: a name is looked up in the image's own list, where it may be root's
- volumes without a size in `[tmpfs]`: each would be a folder on this machine's disk without a limit
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..domain.addresses import AddressPlan
from ..domain.distribution import Distribution
from ..domain.engine_errors import ImageRefused, NoEgress
from ..domain.fields import USER_NUMBER
from ..domain.naming import foreign_labels

Config = Mapping[str, Any]  # `Config` in the answer to an inspection of the image

ROOT: Final = "0"


@dataclass(frozen=True, slots=True)
class Refusal:
    said: str  # what the image does, as the rest of a sentence
    hint: str


def user_of(distribution: Distribution, config: Config) -> str:
    """The user that the container is given, by number where root has not been asked for."""
    return distribution.image.user or config.get("User") or ROOT


def refusals(distribution: Distribution, config: Config) -> Iterator[Refusal]:
    if keys := foreign_labels(config.get("Labels") or {}):
        hint = "Build the image without `traefik.*` and `distros.*` labels."
        yield Refusal(f"carries labels of its own: {', '.join(keys)}", hint)
    user = user_of(distribution, config)
    if not re.fullmatch(USER_NUMBER, user) and distribution.weaker.root_user is None:
        hint = "End its Dockerfile with a `USER` by number, such as 1000:1000, or set `image.user`."
        name = user.partition(":")[0]
        as_whom = "as root" if name in (ROOT, "root") else f"as “{name}”, which may be root"
        yield Refusal(f"runs {as_whom}", hint)
    volumes = sorted(set(config.get("Volumes") or {}) - set(distribution.writable))
    if volumes:
        hint = "Give each a size in `[tmpfs]`, or build the image without them."
        yield Refusal(f"has volumes without a limit: {', '.join(volumes)}", hint)


def admit_network(distribution: Distribution, plan: AddressPlan) -> None:
    """Raises NoEgress."""
    if distribution.reaches_out and plan.egress is None:
        raise NoEgress(distribution.slug)


def admit(distribution: Distribution, config: Config) -> None:
    """Raises ImageRefused."""
    found = list(refusals(distribution, config))
    if found:
        said = "; it ".join(each.said for each in found)
        hint = " ".join(each.hint for each in found)
        raise ImageRefused(f"The image {distribution.image.ref} {said}.", hint=hint)
