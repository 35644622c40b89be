"""What was measured, in figures."""

from orchestrator.domain.measures import Percentiles, percentiles, startup


def test_percentiles_are_values_that_occurred() -> None:
    assert percentiles([float(n) for n in range(10, 0, -1)]) == Percentiles(10, 5.0, 9.0, 10.0)
    assert percentiles([3.0]) == Percentiles(1, 3.0, 3.0, 3.0)


def test_a_start_is_measured_by_stage_and_without_its_time_in_the_queue() -> None:
    measured = startup(
        [
            {"queued": 9.0, "container": 1.0, "booting": 2.0},
            {"queued": 0.0, "container": 3.0, "booting": 4.0, "checking": 0.5},
        ]
    )
    assert measured is not None
    assert measured.total == Percentiles(2, 3.0, 7.5, 7.5)
    assert dict(measured.stages) == {
        "container": Percentiles(2, 1.0, 3.0, 3.0),
        "booting": Percentiles(2, 2.0, 4.0, 4.0),
        "checking": Percentiles(1, 0.5, 0.5, 0.5),
    }


def test_nothing_measured_is_told_as_nothing() -> None:
    assert startup([]) is None
    assert startup([{"queued": 1.0}]) is None
