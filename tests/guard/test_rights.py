"""What is weaker than usual, only the distribution that asks for it by name may have."""

import copy
import json
from typing import Any

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.weaker import Weaker
from orchestrator.guard.creation import Policy, admitted
from orchestrator.guard.refusals import Refused

from ..support import WIKI
from .conftest import NAME, ROUTING, written

ROOT = WIKI.model_copy(
    update={
        "slug": "root",
        "weaker": Weaker(
            writable_root="It writes all over.",
            root_user="It starts as root.",
            capabilities={"CHOWN": "It gives its files away."},
        ),
    }
)
BOUNDLESS = ROOT.model_copy(
    update={
        "slug": "boundless",
        "weaker": Weaker(writable_root="It writes all over.", unlimited_disk="Nobody counts."),
    }
)
SHARED = Policy(ROUTING, Catalog([WIKI, ROOT, BOUNDLESS]))  # one image for all three
LIMIT = {"size": str(int(WIKI.limits.disk))}


def document(slug: str, user: str = "33:33", **host: Any) -> bytes:
    asked = copy.deepcopy(written())
    asked["User"] = user
    asked["Labels"]["distros.distribution"] = slug
    asked["HostConfig"] |= host
    return json.dumps(asked).encode()


WEAKER = [
    {"user": "0:0"},
    {"user": "www-data"},
    {"CapAdd": ["CHOWN"]},
    {"ReadonlyRootfs": False, "StorageOpt": LIMIT},
]


@pytest.mark.parametrize("weaker", WEAKER)
def test_what_is_weaker_is_for_who_asks_though_others_share_the_image(
    weaker: dict[str, Any],
) -> None:
    assert admitted(document("root", **weaker), NAME, SHARED)
    with pytest.raises(Refused):
        admitted(document(WIKI.slug, **weaker), NAME, SHARED)


def test_a_root_that_can_be_written_has_a_limit_unless_its_distribution_needs_none() -> None:
    assert admitted(document("boundless", ReadonlyRootfs=False), NAME, SHARED)
    for size in (None, {"size": "900000000000000"}):
        with pytest.raises(Refused, match="StorageOpt"):
            admitted(document("root", ReadonlyRootfs=False, StorageOpt=size), NAME, SHARED)


@pytest.mark.parametrize("slug", ["another", ""])
def test_a_distribution_that_does_not_have_the_image_has_no_rights(slug: str) -> None:
    with pytest.raises(Refused):
        admitted(document(slug), NAME, SHARED)


def test_what_has_no_network_fills_no_disk_either() -> None:
    probe = json.loads(document("root", ReadonlyRootfs=False, NetworkMode="none"))
    del probe["NetworkingConfig"]
    probe["Labels"] = {"distros.managed": "true", "distros.stack": ROUTING.stack}
    only_limited = Policy(ROUTING, Catalog([WIKI, ROOT]))
    with pytest.raises(Refused, match="StorageOpt"):
        admitted(json.dumps(probe).encode(), None, only_limited)
    probe["HostConfig"]["StorageOpt"] = LIMIT
    assert admitted(json.dumps(probe).encode(), None, only_limited)
