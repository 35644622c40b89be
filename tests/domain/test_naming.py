import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import InvalidName
from orchestrator.domain.naming import (
    ID_PATTERN,
    NAME_PATTERN,
    container_name,
    foreign_labels,
    hostname,
    instance_id_of,
    is_instance_id,
    new_instance_id,
    site_name,
)

ids = st.builds(new_instance_id)
names = st.from_regex(NAME_PATTERN, fullmatch=True)


def test_a_containers_name_is_always_the_same_and_tells_no_id() -> None:
    assert container_name("distros", "abcdefghijkm") == "distros-npz79r92m7tw"
    assert container_name("other", "abcdefghijkm") == "other-kxn5skd6n654"


@given(ids)
def test_containers_names_are_as_long_as_ids_and_made_of_the_same_letters(instance_id: str) -> None:
    stack, _, told = container_name("distros", instance_id).partition("-")
    assert (stack, bool(ID_PATTERN.match(told))) == ("distros", True)
    assert told != instance_id


@given(ids, st.none() | names)
def test_every_hostname_leads_back_to_its_instance(instance_id: str, name: str | None) -> None:
    host = hostname(instance_id, name, "sandbox.example.org")
    assert instance_id_of(host, "sandbox.example.org") == instance_id
    assert len(host.partition(".")[0]) <= 63


@pytest.mark.parametrize(
    "host",
    [
        "sandbox.example.org",
        "abcdefghijkm.example.org",
        "a.abcdefghijkm.sandbox.example.org",
        "abcdefghijkm.sandbox.example.org.evil.org",
        "xabcdefghijkm.sandbox.example.org",
        "abcdefghijk0.sandbox.example.org",
        "",
        "abcdefghijkm.sandbox.example.org.",
        "-abcdefghijkm.sandbox.example.org",
        "a_b-abcdefghijkm.sandbox.example.org",
    ],
)
def test_other_hosts_lead_nowhere(host: str) -> None:
    assert instance_id_of(host, "sandbox.example.org") is None


def test_a_host_is_found_in_any_case() -> None:
    assert instance_id_of("My-ABCDEFGHIJKM.Sandbox.Example.ORG", "sandbox.example.org") == (
        "abcdefghijkm"
    )


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("My Site!", "my-site"),
        ("Café Zürich", "cafe-zurich"),
        ("--a--", "a"),
        ("a" * 32, "a" * 32),
    ],
)
def test_what_is_typed_becomes_a_subdomain(typed: str | None, name: str | None) -> None:
    assert site_name(typed) == name


@pytest.mark.parametrize("typed", ["!!!", "日本", "a" * 33])
def test_what_cannot_become_a_subdomain_is_refused(typed: str) -> None:
    with pytest.raises(InvalidName):
        site_name(typed)


@given(st.text(max_size=60))
def test_nothing_typed_gets_past_the_pattern(typed: str) -> None:
    try:
        name = site_name(typed)
    except InvalidName:
        return
    assert name is None or re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name)


def test_ids_are_unguessable_and_unmistakable() -> None:
    made = {new_instance_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(ID_PATTERN.match(one) for one in made)
    assert set("".join(made)) == set(string.ascii_lowercase + string.digits) - set("lo01")


@pytest.mark.parametrize("text", ["", "abcdefghijk", "abcdefghijkl", "abcdefghijkm\n"])
def test_what_is_no_id_is_not_taken_for_one(text: str) -> None:
    assert is_instance_id("abcdefghijkm") and not is_instance_id(text)


def test_labels_of_ours_are_foreign_on_an_image() -> None:
    labels = {"traefik.enable": "true", "distros.managed": "true", "maintainer": "x"}
    assert foreign_labels(labels) == ["distros.managed", "traefik.enable"]
