"""What a distribution must ask for by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.domain.weaker import Weaker

WHY = "the application was written so"


def test_nothing_is_asked_for_unless_it_is_named() -> None:
    assert list(Weaker().asked()) == []


def test_each_is_told_with_its_reason() -> None:
    weaker = Weaker(root_user=WHY, writable_root="for its caches", capabilities={"CHOWN": WHY})

    assert list(weaker.asked()) == [
        ("writable_root", "for its caches"),
        ("root_user", WHY),
        ("capabilities.CHOWN", WHY),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"writable_root": True},
        {"writable_root": ""},
        {"root_user": " "},
        {"privileged": WHY},
        {"root_user": WHY, "capabilities": {"CHOWN": ""}},
        {"root_user": WHY, "capabilities": {"SYS_ADMIN": WHY}},
        {"root_user": WHY, "capabilities": {"NET_RAW": WHY}},
        {"root_user": WHY, "capabilities": {"ALL": WHY}},
        {"capabilities": {"CHOWN": WHY}},  # only root could use it
        {"unlimited_disk": WHY},
    ],
)
def test_without_a_reason_or_beyond_the_list_it_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Weaker.model_validate(asked)
