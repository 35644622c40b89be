"""Who uses more of the machine's CPU time than others can spare."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.fair_share import AT_WORK, BUSY, FULL, Machine, greedy, resting

NAMES = "abcdef"
CORES = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 8))
LIMITS = dict.fromkeys(NAMES, 1.0)


def test_whoever_uses_all_it_may_is_greedy_where_the_machine_is_busy() -> None:
    used = {"bomb": 1.0, "site": 0.1}
    assert greedy(used, {"bomb": 1.0, "site": 1.0}, Machine(2, 0.6)) == {"bomb"}


def test_nobody_is_while_the_machine_has_time_to_spare() -> None:
    assert greedy({"bomb": 1.0}, {"bomb": 1.0}, Machine(8, 0.2)) == set()


def test_many_who_leave_each_other_little_are_greedy_too() -> None:
    """Ten on two cores get a fifth of a core each, far below their limits."""
    used = {f"bomb-{number}": 0.19 for number in range(10)} | {"site": 0.02}
    limits = dict.fromkeys(used, 1.0)
    assert greedy(used, limits, Machine(2, 1.0)) == used.keys() - {"site"}


def test_rest_is_seen_only_where_there_is_time_to_spare() -> None:
    used, limits = {"bomb": 0.1}, {"bomb": 1.0}
    assert resting(used, limits, Machine(2, 1.0)) == set()  # it may just get no more
    assert resting(used, limits, Machine(2, 0.5)) == {"bomb"}


@given(CORES, st.integers(1, 64), st.floats(0, 1))
def test_nobody_is_greedy_and_at_rest(used: dict[str, float], cores: int, load: float) -> None:
    machine = Machine(cores, load)
    found = greedy(used, LIMITS, machine)
    assert found <= used.keys()
    assert not found & resting(used, LIMITS, machine)
    assert not found or load >= BUSY
    assert not resting(used, LIMITS, machine) or load < FULL


@given(CORES, st.integers(1, 6))
def test_on_a_full_machine_whoever_uses_most_is_greedy(used: dict[str, float], cores: int) -> None:
    """If those at work use all of it, at least one of them has no less than an equal share."""
    total = sum(each for each in used.values() if each >= AT_WORK)
    if total >= cores:
        most = max(used, key=lambda each: used[each])
        assert most in greedy(used, LIMITS, Machine(cores, 1.0))
