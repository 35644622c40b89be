"""The addresses that let owners in, and which pages of an image they can lead to."""

import pytest
from pydantic import ValidationError

from orchestrator.domain.distribution import Distribution, Login
from orchestrator.domain.tickets import one_time_path
from tests.support import WIKI


def test_the_one_time_link_has_the_key_that_the_documentation_names() -> None:
    # printf login | openssl dgst -sha256 -hmac pw123
    key = "5f6386bfccd21a171f70acc5a38cedc56753616a2dd2e7f7a742e2170c77f1e4"
    assert one_time_path("/sign-in.php", "pw123") == f"/sign-in.php?key={key}"


@pytest.mark.parametrize("path", ["/in?a=b", "/in#top"])
def test_they_lead_to_a_path_alone(path: str) -> None:
    with pytest.raises(ValidationError, match="a path alone"):
        Login(path="/login", user="admin", password_env="ADMIN_PASSWORD", link=path)
    with pytest.raises(ValidationError, match="a path alone"):
        Distribution.model_validate(WIKI.model_dump(mode="json") | {"database": path})
