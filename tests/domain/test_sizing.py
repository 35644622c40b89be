"""How many a pool holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.sizing import affordable, pool_size

MIB = 1024**2


@pytest.mark.parametrize(
    ("rate", "refill", "size"),
    [
        (0.0, 2.0, 1),  # nobody asks: the minimum
        (0.01, 2.0, 1),
        (0.5, 2.0, 2),  # one while it is refilled, and one more
        (2.0, 2.0, 6),  # four, and the deviation of two
        (50.0, 2.0, 8),  # the maximum
    ],
)
def test_it_follows_demand_between_its_bounds(rate: float, refill: float, size: int) -> None:
    assert pool_size(rate=rate, refill=refill, minimum=1, maximum=8) == size


def test_without_a_maximum_there_is_no_pool() -> None:
    assert pool_size(rate=9.0, refill=9.0, minimum=0, maximum=0) == 0


@given(st.floats(0, 100), st.floats(0, 100), st.integers(0, 10), st.integers(0, 10))
def test_it_keeps_its_bounds(rate: float, refill: float, minimum: int, more: int) -> None:
    maximum = minimum + more
    size = pool_size(rate=rate, refill=refill, minimum=minimum, maximum=maximum)
    assert minimum <= size <= maximum
    busier = pool_size(rate=rate + 1, refill=refill, minimum=minimum, maximum=maximum)
    assert busier >= size


@pytest.mark.parametrize(
    ("size", "spare", "possible"),
    [
        (2, 0, 2),
        (2, 300 * MIB, 3),
        (2, -1, 1),  # memory is short: one less
        (2, -600 * MIB, 0),
        (0, 255 * MIB, 0),
    ],
)
def test_it_grows_into_spare_memory_only_and_gives_back_what_is_missing(
    size: int, spare: int, possible: int
) -> None:
    assert affordable(size, spare=spare, each=256 * MIB) == possible
