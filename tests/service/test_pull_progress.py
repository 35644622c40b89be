"""A pull's progress: summed over layers, and as a sentence for people."""

import pytest

from orchestrator.engine.base import ImageProgress
from orchestrator.engine.layers import Layers


class Pull:
    """What Docker says, line by line."""

    def __init__(self, *layers: str) -> None:
        self._layers = Layers()
        for layer in layers:
            self.says(layer, "Pulling fs layer")

    def says(self, layer: str, status: str, current: int = 0, total: int = 0) -> ImageProgress:
        detail = {"current": current, "total": total} if total else {}
        return self._layers.after({"id": layer, "status": status, "progressDetail": detail})

    def bytes_after(self, *line: object) -> tuple[int | None, int | None]:
        progress = self.says(*line)  # type: ignore[arg-type]
        return progress.current, progress.total


def test_it_sums_the_bytes_over_the_layers() -> None:
    pull = Pull("a", "b")

    assert pull.says("1", "Pulling from wiki") == ImageProgress("1: Pulling from wiki")
    pull.says("a", "Downloading", 10, 100)
    assert pull.says("b", "Downloading", 50, 200) == ImageProgress("b: Downloading", 60, 300)
    assert pull.bytes_after("a", "Verifying Checksum") == (150, 300)
    assert pull.bytes_after("b", "Download complete") == (300, 300)


def test_it_knows_no_total_before_every_layer_has_a_size() -> None:
    pull = Pull("a", "b")

    assert pull.bytes_after("b", "Waiting") == (None, None)
    assert pull.bytes_after("a", "Downloading", 10, 100) == (10, None)
    assert pull.bytes_after("a", "Download complete") == (100, None)
    assert pull.bytes_after("b", "Downloading", 1, 50) == (101, 150)


def test_it_learns_of_a_layer_that_came_unseen_when_it_is_unpacked() -> None:
    pull = Pull("a", "b")

    pull.says("a", "Download complete")
    assert pull.bytes_after("b", "Downloading", 10, 100) == (10, 100)
    assert pull.bytes_after("a", "Extracting", 3, 7) == (17, 107)
    assert pull.bytes_after("a", "Pull complete") == (17, 107)


def test_unpacking_counts_no_byte_twice() -> None:
    pull = Pull("a")

    pull.says("a", "Downloading", 100, 100)
    for current in (1, 50, 100):
        assert pull.bytes_after("a", "Extracting", current, 100) == (100, 100)


def test_it_takes_seconds_of_unpacking_for_no_bytes() -> None:
    line = {"id": "a", "status": "Extracting", "progressDetail": {"current": 2, "units": "s"}}

    assert Layers().after(line) == ImageProgress("a: Extracting")


def test_a_layer_that_is_here_already_counts_nothing() -> None:
    pull = Pull("a", "b")

    assert pull.bytes_after("a", "Already exists") == (None, None)
    assert pull.bytes_after("b", "Downloading", 10, 100) == (10, 100)


def test_a_download_that_begins_anew_does_not_go_back() -> None:
    pull = Pull("a")

    pull.says("a", "Downloading", 60, 100)
    assert pull.bytes_after("a", "Retrying in 5 seconds") == (60, 100)
    assert pull.bytes_after("a", "Downloading", 10, 100) == (60, 100)
    assert pull.bytes_after("a", "Downloading", 70, 100) == (70, 100)


def test_a_registry_that_tells_no_size_has_its_bytes_counted_all_the_same() -> None:
    layers = Layers()
    line = {"id": "a", "status": "Downloading", "progressDetail": {"current": 10}}

    assert layers.after(line) == ImageProgress("a: Downloading", 10)
    complete = layers.after({"id": "a", "status": "Download complete"})
    assert complete == ImageProgress("a: Download complete", 10, 10)


@pytest.mark.parametrize(
    ("current", "total", "sentence"),
    [
        (None, None, "Fetching the image"),
        (0, None, "Fetching the image: 0.0 kB so far"),
        (12_345_678, None, "Fetching the image: 12 MB so far"),
        (12_345_678, 34_567_890, "Fetching the image: 12 of 34 MB, 35 %"),
        (0, 34_567_890, "Fetching the image: 0 of 34 MB, 0 %"),
        (34_567_889, 34_567_890, "Fetching the image: 34 of 34 MB, 99 %"),
        (34_567_890, 34_567_890, "Unpacking the image"),
        (100, 900, "Fetching the image: 0.1 of 0.9 kB, 11 %"),
        (12_345, 999_999, "Fetching the image: 12 of 999 kB, 1 %"),
        (123_456, 1_000_000, "Fetching the image: 0.1 of 1.0 MB, 12 %"),
        (800_000_000, 3_400_000_000, "Fetching the image: 0.8 of 3.4 GB, 23 %"),
        (800_000_000, 34_000_000_000, "Fetching the image: 0 of 34 GB, 2 %"),
    ],
)
def test_people_are_told_amounts_in_one_unit_and_whole_percent(
    current: int | None, total: int | None, sentence: str
) -> None:
    assert ImageProgress("1a: Downloading", current, total).sentence == sentence
