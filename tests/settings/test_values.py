"""What a setting may be, and the sentence for what it may not."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.settings import ROOT, InvalidSettings, Settings, load_settings

STACK = (
    "DISTROS_STACK: must be small letters, digits and hyphens, beginning with a letter, "
    "21 characters at most, such as distros"
)
CONTACT = (
    "DISTROS_ABUSE_CONTACT: must be a mail or web address, such as abuse@distros.example or "
    "https://distros.example/abuse"
)


def read(**values: Any) -> Settings:
    return load_settings(**values)


def refused(**values: Any) -> str:
    with pytest.raises(InvalidSettings) as refusal:
        read(**values)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("stack", "My Stack", STACK),
        ("stack", "a" * 22, STACK),
        ("stack", "distros\n", STACK),
        ("abuse_contact", "foo bar", CONTACT),
        ("abuse_contact", "abuse@distros.example\n", CONTACT),
        (
            "synthetic_distribution",
            "Hello",
            "DISTROS_SYNTHETIC_DISTRIBUTION: must be the name of a distribution's folder, "
            "such as hello",
        ),
    ],
)
def test_what_is_written_otherwise_is_told_what_would_be_right(
    name: str, value: str, said: str
) -> None:
    assert refused(**{name: value}) == f"{said} (it is {value!r})"


def test_what_is_written_as_it_should_be_is_taken() -> None:
    for contact in ("", "abuse@distros.example", "https://distros.example/abuse"):
        assert load_settings(abuse_contact=contact).abuse_contact == contact
    assert load_settings(stack="a" * 21).stack == "a" * 21


@pytest.mark.parametrize(
    "name",
    [
        "engine_timeout",
        "relist_interval",
        "history",
        "max_lifetime",
        "terminal_idle",
        "take_away_deadline",
    ],
)
def test_a_duration_of_nothing_is_refused_where_it_means_nothing(name: str) -> None:
    variable = f"DISTROS_{name.upper()}"
    assert refused(**{name: "0s"}) == f"{variable}: must be \"1s\" or longer (it is '0s')"
    assert getattr(read(**{name: "1s"}), name) == timedelta(seconds=1)


def test_a_download_of_nothing_is_refused() -> None:
    assert refused(take_away_size="0") == "DISTROS_TAKE_AWAY_SIZE: must be more than 0 (it is '0')"


def test_no_synthetic_launches_is_a_duration_of_nothing() -> None:
    assert load_settings(synthetic_interval="0s").synthetic_interval == timedelta()


def test_days_are_a_unit_and_a_duration_beyond_all_of_them_is_refused() -> None:
    assert load_settings(history="7d").history == timedelta(days=7)
    assert refused(history=f"{10**12}d").startswith("DISTROS_HISTORY: must be shorter than")


@pytest.mark.parametrize("name", ["site_url", "instances_url"])
@pytest.mark.parametrize("beyond", ["/sub", "/sub/", "/?a=b", "/#a"])
def test_a_public_address_has_no_path(name: str, beyond: str) -> None:
    address = "http://a.example:8080"
    assert refused(**{name: address + beyond}) == (
        f"DISTROS_{name.upper()}: must be an address without a path, such as {address} "
        f"(it is {address + beyond!r})"
    )
    assert str(getattr(read(**{name: f"{address}/"}), name)) == f"{address}/"


def test_the_example_with_no_comment_marks_says_what_holds_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = (ROOT / ".env.example").read_text()
    uncommented = tmp_path / "env"
    uncommented.write_text(re.sub(r"^# (?=DISTROS_\w+=)", "", example, flags=re.MULTILINE))
    monkeypatch.chdir(ROOT)

    found = load_settings(uncommented)

    defaults = Settings().model_dump()
    for folder in ("distributions_dir", "frontend_dir"):  # from this one, in the example
        defaults[folder] = defaults[folder].relative_to(ROOT)
    assert found.model_dump() == defaults
