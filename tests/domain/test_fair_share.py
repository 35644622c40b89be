"""Who burns CPU time, and who has come to rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.fair_share import COOLS, HEATS, Machine, Use, heats

SPARE, FULL = Machine(cores=2, load=0.5), Machine(cores=2, load=1.0)
SECONDS = 5.0
BURNS, RESTS = SECONDS / HEATS, -SECONDS / COOLS


def rises(machine: Machine, **cores: float) -> dict[str, float]:
    """Of instances that may use one core each."""
    return heats({name: Use(each, SECONDS, 1.0) for name, each in cores.items()}, machine)


@pytest.mark.parametrize("cores", [2, 4, 64])
def test_whoever_uses_most_of_what_it_may_burns_however_large_the_machine(cores: int) -> None:
    machine = Machine(cores, load=1 / cores)
    assert rises(machine, bomb=1.0, site=0.1) == {"bomb": BURNS, "site": RESTS}


def test_what_is_in_between_says_nothing() -> None:
    assert rises(SPARE, site=0.4) == {"site": 0.0}


def test_on_a_full_machine_many_burn_though_each_gets_little() -> None:
    bombs = {f"bomb{number}": 0.19 for number in range(10)}
    found = rises(FULL, site=0.02, **bombs)
    assert {name for name, rise in found.items() if rise > 0} == bombs.keys()
    assert found["site"] == RESTS


def test_on_a_machine_that_is_full_of_other_work_the_burner_is_told_from_a_site() -> None:
    """Starts and builds are not instances that are ready; they leave little."""
    idle = {f"idle{number}": 0.0 for number in range(5)}
    found = rises(FULL, bomb=0.6, site=0.1, **idle)
    assert (found["bomb"], found["site"]) == (BURNS, 0.0)


def test_a_site_alone_that_is_clicked_does_not_burn_whoever_else_fills_the_machine() -> None:
    assert rises(FULL, site=0.15, idle=0.0)["site"] == 0.0


def test_on_a_full_machine_only_next_to_nothing_is_rest() -> None:
    """One that is restrained may get no more than this."""
    assert rises(FULL, bomb=0.2, other=1.0)["bomb"] == 0.0
    assert rises(SPARE, bomb=0.2, other=1.0)["bomb"] == RESTS
    assert rises(FULL, bomb=0.02, other=1.0)["bomb"] == RESTS


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 8), min_size=1),
    st.integers(1, 64),
    st.floats(0, 1),
)
def test_whoever_uses_more_is_never_cooler(
    cores: dict[str, float], count: int, load: float
) -> None:
    found = rises(Machine(count, load), **cores)
    assert found.keys() == cores.keys()
    order = sorted(cores, key=lambda each: cores[each])
    assert [found[each] for each in order] == sorted(found.values())


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), min_size=1), st.integers(1, 6))
def test_of_those_who_fill_a_machine_one_at_least_burns(
    cores: dict[str, float], count: int
) -> None:
    if sum(cores.values()) >= count:
        found = rises(Machine(count, 1.0), **cores)
        assert max(found.values()) > 0
