"""What is no setting is refused, with a word of what to do."""

from pathlib import Path

import pytest

from orchestrator.settings import InvalidSettings, load_settings


def test_the_entrypoint_of_an_older_file_is_told_to_be_gone(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("DISTROS_ENTRYPOINT=web\n")

    with pytest.raises(InvalidSettings) as refusal:
        load_settings(tmp_path / "env")

    assert str(refusal.value) == (
        "DISTROS_ENTRYPOINT: is no setting any more: Traefik's entrypoint is `web`; take it out"
    )
