"""The calls that the orchestrator may make: method, path and every query parameter. Pure.

What passes is built anew from what was understood. A path holds no "//" and no ".."; a name holds
no "/" and no "%"; an image's reference holds plain slashes, and its "@" may come as %40.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from ..engine.routing import managed_labels
from . import documents
from .refusals import Refused


class Kind(StrEnum):
    PING = auto()
    VERSION = auto()
    EVENTS = auto()
    LIST_CONTAINERS = auto()
    INSPECT_CONTAINER = auto()
    LOGS = auto()
    STATS = auto()
    CREATE = auto()
    START = auto()
    UNPAUSE = auto()
    UPDATE = auto()
    REMOVE = auto()
    EXEC = auto()
    START_EXEC = auto()
    RESIZE_EXEC = auto()
    INSPECT_EXEC = auto()
    INSPECT_NETWORK = auto()
    LIST_IMAGES = auto()
    INSPECT_IMAGE = auto()
    REMOVE_IMAGE = auto()
    BUILD = auto()
    PULL = auto()


@dataclass(frozen=True, slots=True)
class Call:
    kind: Kind
    method: str
    version: str  # "/v1.41", or ""
    path: str  # "/containers/{target}/json"
    target: str | None  # the container's name or id, the image's reference, the network's name
    query: Mapping[str, str]

    def url(self, target: str | None = None) -> str:
        """For the engine, without the query."""
        return self.version + self.path.format(target=target or self.target)


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: Kind
    methods: tuple[str, ...]
    path: str
    query: Mapping[str, str] = field(default_factory=dict)  # each parameter's pattern
    needs_all: bool = False  # of the query's parameters: what they stand against is the default

    def match(self, method: str, path: str) -> re.Match[str] | None:
        if method not in self.methods:
            return None
        target = _IMAGE if self.path.startswith("/images/") else _NAME
        return re.fullmatch(self.path.replace("{target}", f"(?P<target>{target})"), path)


_NAME: Final = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}"
_REFERENCE: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.:/@-]){0,255}"
_IMAGE: Final = _REFERENCE.replace("(?:", "(?:%40|")
_IMAGE_ID: Final = re.compile(r"sha256:[0-9a-f]{64}")
_FLAG: Final = r"(?i:0|1|true|false)"
_NUMBER: Final = r"-?[0-9]{1,10}"
_CELLS: Final = r"[1-9][0-9]{0,3}"
_MOMENT: Final = r"[0-9]{1,12}(\.[0-9]{1,9})?"
_BUILT: Final = r'\{"org\.distros\.built": ?"distros"\}'  # on images that we built
_JSON: Final = r"(?s:\{.{0,4096}\})"

_RULES: Final = (
    _Rule(Kind.PING, ("GET", "HEAD"), "/_ping"),
    _Rule(Kind.VERSION, ("GET",), "/version"),
    _Rule(
        Kind.EVENTS,
        ("GET",),
        "/events",
        {"since": _MOMENT, "until": _MOMENT, "filters": _JSON},
    ),
    _Rule(
        Kind.LIST_CONTAINERS,
        ("GET",),
        "/containers/json",
        {
            "all": _FLAG,
            "limit": _NUMBER,
            "size": _FLAG,
            "trunc_cmd": _FLAG,
            "filters": _JSON,
        },
    ),
    _Rule(Kind.INSPECT_CONTAINER, ("GET",), "/containers/{target}/json"),
    _Rule(
        Kind.LOGS,
        ("GET",),
        "/containers/{target}/logs",
        {"stdout": _FLAG, "stderr": _FLAG, "tail": r"[0-9]{1,6}", "timestamps": _FLAG},
    ),
    # One answer; without these two, a stream that never ends, or one that waits for two samples.
    _Rule(
        Kind.STATS,
        ("GET",),
        "/containers/{target}/stats",
        {"stream": "false", "one-shot": "true"},
        needs_all=True,
    ),
    _Rule(Kind.CREATE, ("POST",), "/containers/create", {"name": _NAME}),
    _Rule(Kind.START, ("POST",), "/containers/{target}/start"),
    _Rule(Kind.UNPAUSE, ("POST",), "/containers/{target}/unpause"),
    _Rule(Kind.UPDATE, ("POST",), "/containers/{target}/update"),
    _Rule(
        Kind.REMOVE,
        ("DELETE",),
        "/containers/{target}",
        {"v": _FLAG, "force": _FLAG, "link": r"(?i:0|false)"},
    ),
    # A terminal, or what packs a site.
    _Rule(Kind.EXEC, ("POST",), "/containers/{target}/exec"),
    _Rule(Kind.START_EXEC, ("POST",), "/exec/{target}/start"),
    _Rule(Kind.RESIZE_EXEC, ("POST",), "/exec/{target}/resize", {"h": _CELLS, "w": _CELLS}),
    _Rule(Kind.INSPECT_EXEC, ("GET",), "/exec/{target}/json"),
    _Rule(Kind.INSPECT_NETWORK, ("GET",), "/networks/{target}"),
    _Rule(
        Kind.LIST_IMAGES,
        ("GET",),
        "/images/json",
        {"all": _FLAG, "only_ids": _FLAG, "filters": _JSON},
    ),
    _Rule(Kind.INSPECT_IMAGE, ("GET",), "/images/{target}/json"),
    _Rule(
        Kind.REMOVE_IMAGE,
        ("DELETE",),
        "/images/{target}",
        {"noprune": _FLAG, "force": r"(?i:0|false)"},
    ),
    # A build of what is sent along: no address to fetch from, and no network but the default one.
    _Rule(
        Kind.BUILD,
        ("POST",),
        "/build",
        {
            "t": _REFERENCE,
            "q": _FLAG,
            "nocache": _FLAG,
            "rm": _FLAG,
            "forcerm": _FLAG,
            "pull": _FLAG,
            "labels": _BUILT,
        },
    ),
    # A pull, not an import: `fromSrc` would fetch any address.
    _Rule(
        Kind.PULL,
        ("POST",),
        "/images/create",
        {"fromImage": _REFERENCE, "tag": r"[A-Za-z0-9_.:-]{0,140}", "platform": r"[a-z0-9/]{0,40}"},
    ),
)
_VERSION: Final = re.compile(r"/v1\.[0-9]{1,3}(?=/)")
_FILTERS: Final = {
    Kind.EVENTS: {"type", "event", "label"},
    Kind.LIST_CONTAINERS: {"label", "name", "id", "status"},
    Kind.LIST_IMAGES: {"dangling", "label", "reference"},
}


def recognise(method: str, raw_path: bytes, raw_query: bytes) -> Call:
    """Raises Refused where the list has no such call."""
    try:
        path, query = raw_path.decode("ascii"), _parameters(raw_query.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        raise Refused("the address cannot be read") from None
    version = _VERSION.match(path)
    prefix = version[0] if version else ""
    rest = path.removeprefix(prefix)
    if ".." not in rest and "//" not in rest:
        for rule in _RULES:
            if match := rule.match(method, rest):
                _check_query(rule, query)
                target = unquote(match["target"]) if "{target}" in rule.path else None
                if rule.kind is Kind.REMOVE_IMAGE and not is_image_id(target):
                    raise Refused("an image is removed by its id")
                return Call(rule.kind, method, prefix, rule.path, target, query)
    raise Refused("this call is not on the list")


def _parameters(query: str) -> dict[str, str]:
    """Raises ValueError, Refused."""
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=16)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a parameter occurs twice")
    return found


def _check_query(rule: _Rule, query: Mapping[str, str]) -> None:
    for name, value in query.items():
        pattern = rule.query.get(name)
        if pattern is None:
            raise Refused(f"the parameter {name!r} is not on the list")
        if not re.fullmatch(pattern, value):
            raise Refused(f"the parameter {name!r} has a value that is not on the list")
    if rule.needs_all and query.keys() != rule.query.keys():
        raise Refused(f"it needs {' and '.join(map(repr, rule.query))}")


def filters(call: Call) -> dict[str, list[str]]:
    """As lists, however they were written. Raises Refused."""
    given = documents.parse(call.query.get("filters", "{}"))
    if unknown := set(given) - _FILTERS[call.kind]:
        raise Refused(f"the filter {min(unknown)!r} is not on the list")
    return {name: _values(value) for name, value in given.items()}


def is_image_id(target: str | None) -> bool:
    return bool(_IMAGE_ID.fullmatch(target or ""))


def pulled(call: Call) -> str:
    """The reference. The SDK sends its tag or digest apart, and always one of them; without, the
    engine would fetch every tag there is."""
    name, tag = call.query.get("fromImage", ""), call.query.get("tag", "")
    return f"{name}{'@' if ':' in tag else ':'}{tag}"


def own_filters(call: Call, stack: str) -> str:
    """Whatever was asked for: of this stack's containers alone."""
    asked = filters(call)
    labels = [f"{key}={value}" for key, value in managed_labels(stack).items()]
    asked["label"] = [*asked.get("label", []), *labels]
    if call.kind is Kind.EVENTS:
        asked["type"] = ["container"]
    return json.dumps(asked)


def _values(value: Any) -> list[str]:
    """Docker writes a list of values, or a map of each to true."""
    if isinstance(value, dict) and all(each is True for each in value.values()):
        return list(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise Refused("a filter must be a list")
