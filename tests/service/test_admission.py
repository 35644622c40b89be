"""Which images may run: a pure function of what the engine says of them."""

from typing import Any

import pytest
from pydantic import ByteSize

from orchestrator.domain.distribution import Distribution
from orchestrator.domain.weaker import Weaker
from orchestrator.engine.admission import refusals, user_of
from tests.support import WIKI


def said(config: dict[str, Any], **changes: Any) -> list[str]:
    return [each.said for each in refusals(WIKI.model_copy(update=changes), config)]


def with_user(user: str) -> Distribution:
    return WIKI.model_copy(update={"image": WIKI.image.model_copy(update={"user": user})})


@pytest.mark.parametrize("user", ["1", "33:33", "1000:0", "65534:65534"])
def test_a_number_is_admitted(user: str) -> None:
    assert said({"User": user}) == []


@pytest.mark.parametrize("user", [None, "", "0", "0:1000", "root", "root:root"])
def test_root_is_refused(user: str | None) -> None:
    assert said({"User": user}) == ["runs as root"]


@pytest.mark.parametrize(
    "user", ["www-data", "00", "007", "+1", "-1", "1\n0", "33\n", "4294967296", "１"]
)
def test_what_the_image_itself_could_turn_into_root_is_refused(user: str) -> None:
    assert said({"User": user}) == [f"runs as “{user}”, which may be root"]


def test_the_distributions_number_goes_first() -> None:
    distribution = with_user("7:8")
    assert list(refusals(distribution, {"User": "root"})) == []
    assert user_of(distribution, {"User": "root"}) == "7:8"


def test_root_that_is_asked_for_by_name_is_admitted_as_the_image_says() -> None:
    asked = {"weaker": Weaker(root_user="it binds to port 80")}
    assert said({"User": "www-data"}, **asked) == []
    assert user_of(WIKI.model_copy(update=asked), {}) == "0"


def test_a_volume_needs_a_size() -> None:
    config = {"User": "33", "Volumes": {"/b": {}, "/a": {}, "/run": {}}}
    assert said(config) == ["has volumes without a limit: /a, /b"]
    assert said(config, tmpfs={"/a": ByteSize(1024**2), "/b": ByteSize(1024**2)}) == []


def test_a_volume_is_not_taken_for_another_by_a_slash_at_its_end() -> None:
    config = {"User": "33", "Volumes": {"/a/": {}}}
    assert said(config, tmpfs={"/a": ByteSize(1024**2)}) == ["has volumes without a limit: /a/"]


def test_all_is_said_at_once() -> None:
    config = {"User": "root", "Volumes": {"/a": {}}, "Labels": {"traefik.x": "", "other": ""}}
    assert said(config) == [
        "carries labels of its own: traefik.x",
        "runs as root",
        "has volumes without a limit: /a",
    ]
