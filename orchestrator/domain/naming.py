"""Every name the project gives to things: ids, container names, hostnames and label keys.

Nothing a visitor types reaches a Traefik rule or a shell: router keys and container names are
built from our own ids, and site names only from what `site_name` lets through.
"""

import re
import secrets
import unicodedata
from typing import Final

from .errors import InvalidName

ID_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # without the look-alikes l, o, 0, 1
ID_LENGTH: Final = 12  # 60 bits: an address cannot be guessed
MAX_NAME_LENGTH: Final = 32  # with "-<id>" well below the 63 characters of a DNS label

NAME_PATTERN: Final = re.compile(rf"^[a-z0-9](?:[a-z0-9-]{{0,{MAX_NAME_LENGTH - 2}}}[a-z0-9])?$")
ID_PATTERN: Final = re.compile(rf"^[{ID_ALPHABET}]{{{ID_LENGTH}}}$")
# As in the router's rule: the id routes, the name decorates.
HOST_LABEL_PATTERN: Final = re.compile(rf"^(?:[a-z0-9-]+-)?([{ID_ALPHABET}]{{{ID_LENGTH}}})$")
SLUG_PATTERN: Final = re.compile(r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")

# Labels we own. They alone must be enough to reap correctly after the database is lost.
LABEL_MANAGED: Final = "distros.managed"  # always "true"
LABEL_STACK: Final = "distros.stack"  # which installation on this engine the object belongs to
LABEL_INSTANCE: Final = "distros.instance"  # instance id
LABEL_DISTRIBUTION: Final = "distros.distribution"  # slug
LABEL_CREATED_AT: Final = "distros.created-at"  # ISO 8601, UTC
LABEL_EXPIRES_AT: Final = "distros.expires-at"  # ISO 8601, UTC; the latest end, past readiness
LABEL_POOL: Final = "distros.pool"  # "true" where it was started for the pool

# On images that were built here; an image with one of our own labels would be refused.
LABEL_BUILT = "org.distros.built"
OWN_LABEL_PREFIXES: Final = ("distros.", "traefik.")

# The response header by which an instance's router proves that it, and no other, has answered.
MARKER_HEADER: Final = "X-Distros-Instance"
# The response header of our own pages on an instance's host: starting, failed, expired, unknown.
NOT_LIVE_HEADER: Final = "X-Distros-Not-Live"


def new_instance_id() -> str:
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def container_name(stack: str, instance_id: str) -> str:
    return f"{stack}-{instance_id}"


def is_instance_id(text: str) -> bool:
    return ID_PATTERN.fullmatch(text) is not None


def bridge_names(network: str, bridges: int) -> tuple[str, ...]:
    """The networks of so many bridges: `sandbox`, `sandbox-2`, …"""
    return (network, *(f"{network}-{number}" for number in range(2, bridges + 1)))


def hostname(instance_id: str, name: str | None, domain: str) -> str:
    """`<name>-<id>.<domain>`, or `<id>.<domain>` for an instance without a name."""
    label = f"{name}-{instance_id}" if name else instance_id
    return f"{label}.{domain}"


def instance_id_of(host: str, domain: str) -> str | None:
    """The instance id in a hostname (without port), or None where the host is not one of ours."""
    label, _, rest = host.lower().partition(".")
    match = HOST_LABEL_PATTERN.match(label)
    return match[1] if match and rest == domain else None


def site_name(typed: str | None) -> str | None:
    """The subdomain-safe form of what a visitor typed, or None where nothing was typed.

    Raises InvalidName where nothing usable is left, or more than 32 characters are.
    """
    if typed is None or not typed.strip():
        return None
    folded = unicodedata.normalize("NFKD", typed).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")
    if not NAME_PATTERN.match(slug):
        raise InvalidName(typed)
    return slug


def foreign_labels(labels: dict[str, str]) -> list[str]:
    """The keys an image must not carry: image labels are inherited by containers."""
    return sorted(key for key in labels if key.startswith(OWN_LABEL_PREFIXES))
