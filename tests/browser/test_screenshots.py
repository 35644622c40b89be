"""`distros catalog screenshots` with a real Chromium."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.cli import screenshots as command
from orchestrator.pictures import LARGEST, read_picture
from orchestrator.settings import ROOT
from tests.support import ADMIN_TOKEN

from .site import Site

pytestmark = pytest.mark.anyio


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of this machine that may be written into."""
    folder = tmp_path / "distributions" / "dokuwiki"
    folder.mkdir(parents=True)
    for name in ("distribution.toml", "Dockerfile"):
        (folder / name).write_bytes((ROOT / "distributions" / "dokuwiki" / name).read_bytes())
    monkeypatch.setenv("DISTROS_DISTRIBUTIONS_DIR", str(folder.parent))
    monkeypatch.chdir(tmp_path)
    return folder.parent


async def run(on: Site, *words: str) -> Result:
    def invoke() -> Result:
        server = {"DISTROS_URL": on.url, "DISTROS_TOKEN": ADMIN_TOKEN}
        return CliRunner().invoke(app, ["catalog", "screenshots", *words], env=server)

    return await asyncio.to_thread(invoke)


def live(on: Site) -> list[str]:
    return [each.owner for each in on.world.services.ledger.live.values() if not each.pooled]


async def test_it_launches_takes_the_picture_and_deletes(on: Site, distributions: Path) -> None:
    before = live(on)
    result = await run(on, "dokuwiki")
    assert result.exit_code == 0, result.output
    picture = read_picture(distributions / "dokuwiki")
    assert picture is not None and picture.media_type == "image/webp"
    assert picture.body.startswith(b"RIFF") and 500 < len(picture.body) < LARGEST
    while live(on) != before:
        await on.world.services.ledger.changed.wait()
        await asyncio.sleep(0)


async def test_it_deletes_even_where_there_is_no_picture(
    on: Site, distributions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(command, "SHRINK", "() => { throw new Error('no canvas') }")
    monkeypatch.setattr(
        "orchestrator.client.Client.delete", lambda self, instance_id: deleted.append(instance_id)
    )
    result = await run(on, "dokuwiki")
    assert result.exit_code == 1
    assert "no picture of http://" in result.output and len(deleted) == 1
    assert read_picture(distributions / "dokuwiki") is None


async def test_without_playwright_it_says_how_to_get_it(
    on: Site, distributions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "playwright.sync_api", missing)
    before = live(on)
    result = await run(on, "dokuwiki")
    assert result.exit_code == 1
    assert "Playwright is not installed" in result.output
    assert "scripts/venv.sh" in result.output
    assert live(on) == before


async def test_without_chromium_it_says_how_to_get_it(
    on: Site, distributions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/nowhere/chromium")
    result = await run(on, "dokuwiki")
    assert result.exit_code == 1
    assert "Chromium cannot be started" in result.output


async def test_a_distribution_that_is_not_here_is_told(on: Site, distributions: Path) -> None:
    result = await run(on, "nope")
    assert result.exit_code == 4
    assert "There is no distribution “nope”." in result.output
