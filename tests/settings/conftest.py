import os

import pytest


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine is seen."""
    for name in os.environ:
        if name.startswith("DISTROS_"):
            monkeypatch.delenv(name)
