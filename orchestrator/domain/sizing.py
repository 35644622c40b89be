"""How many instances a pool should hold. Pure functions."""

import math


def pool_size(*, rate: float, refill: float, minimum: int, maximum: int) -> int:
    """As many as are asked for while one is replaced, and one standard deviation more.

    `rate` in launches a second, `refill` in seconds. Arrivals are taken for a Poisson process,
    whose variance is its mean.
    """
    expected = rate * refill
    return max(minimum, min(maximum, math.ceil(expected + math.sqrt(expected))))


def affordable(size: int, *, spare: int, each: int) -> int:
    """To how many a pool of `size` may grow, or must shrink, where `spare` bytes are left (or,
    below zero, missing) and one instance may take `each`."""
    return max(0, size + spare // each)
