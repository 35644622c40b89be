"""Who burns CPU time, and who has come to rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.fair_share import LONGEST, Machine, Use, rises

SPARE, FULL = Machine(cores=2, load=0.5), Machine(cores=2, load=1.0)
SECONDS = 5.0
IDLE = {f"idle{number}": 0.001 for number in range(19)}

instances = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), min_size=1)
machines = st.builds(Machine, st.integers(1, 64), st.floats(0, 1))


def risen(machine: Machine, seconds: float = SECONDS, **cores: float) -> dict[str, float]:
    """Of instances that may use one core each."""
    return rises({name: Use(each, seconds, 1.0) for name, each in cores.items()}, machine)


@pytest.mark.parametrize("cores", [2, 4, 64])
def test_whoever_uses_all_it_may_is_hot_in_15_seconds_however_large_the_machine(cores: int) -> None:
    found = risen(Machine(cores, load=1 / cores), bomb=1.0, site=0.1)
    assert found["bomb"] * 3 == pytest.approx(1)
    assert found["site"] < 0


def test_rest_cools_down_in_35_seconds_and_sixty_percent_heats_in_35() -> None:
    found = risen(SPARE, rest=0.0, miner=0.6)
    assert found["rest"] * 7 == pytest.approx(-1)
    assert found["miner"] * 7 == pytest.approx(1)


def test_on_a_full_machine_many_burn_though_each_gets_little() -> None:
    bombs = {f"bomb{number}": 0.19 for number in range(10)}
    found = risen(FULL, site=0.02, **bombs)
    assert {name for name, rise in found.items() if rise > 0} == bombs.keys()


def test_on_a_machine_that_is_full_of_other_work_the_burner_is_told_from_a_site() -> None:
    """Starts and builds are not instances that are ready; they leave little."""
    found = risen(FULL, bomb=0.6, site=0.1, **IDLE)
    assert found["bomb"] > 0 and found["site"] == 0


@pytest.mark.parametrize("idle", [{}, IDLE], ids=["alone", "among idle ones"])
def test_a_site_that_is_used_does_not_burn_whoever_else_fills_the_machine(
    idle: dict[str, float],
) -> None:
    assert risen(FULL, site=0.2, **idle)["site"] == 0
    assert risen(FULL, a=0.1, b=0.1, c=0.1, d=0.1, **idle)["a"] == 0


def test_on_a_full_machine_only_as_good_as_nothing_is_rest() -> None:
    """One that is restrained may get no more than a little."""
    assert risen(FULL, bomb=0.03, other=1.0, another=1.0)["bomb"] == 0
    assert risen(SPARE, bomb=0.03, other=1.0)["bomb"] < 0
    assert risen(FULL, site=0.001, other=1.0, another=1.0)["site"] < 0


@given(instances, machines, st.floats(0, 100))
def test_one_measurement_alone_makes_nobody_hot_or_cold(
    cores: dict[str, float], machine: Machine, seconds: float
) -> None:
    found = risen(machine, seconds, **cores)
    assert found.keys() == cores.keys()
    assert all(abs(rise) <= LONGEST / 10 for rise in found.values())


@given(instances, machines)
def test_on_a_machine_with_time_to_spare_whoever_uses_more_is_hotter(
    cores: dict[str, float], machine: Machine
) -> None:
    found = risen(Machine(machine.cores, 0.5), **cores)
    order = sorted(cores, key=lambda each: cores[each])
    assert [found[each] for each in order] == sorted(found.values())


@given(instances, st.integers(1, 6))
def test_of_those_who_fill_a_machine_one_at_least_burns(
    cores: dict[str, float], count: int
) -> None:
    if sum(cores.values()) >= count:
        assert max(risen(Machine(count, 1.0), **cores).values()) > 0
