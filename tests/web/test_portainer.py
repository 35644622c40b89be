"""Portainer's app templates over HTTP: who reads them, and what stays out of them."""

from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.pictures import Picture
from tests.support import HIDDEN, MISSING, WIKI, World, running

pytestmark = pytest.mark.anyio


async def test_anybody_reads_a_template_of_each_listed_distribution(world: World) -> None:
    async with world.client() as stranger:
        response = await stranger.get("/portainer/templates.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in response.headers
    file = response.json()
    assert file["version"] == "3"
    assert [each["name"] for each in file["templates"]] == ["missing", "wiki"]
    assert HIDDEN.name not in response.text


async def test_a_picture_leads_to_the_site(tmp_path: Path) -> None:
    catalog = Catalog([WIKI, MISSING])
    async with running(tmp_path, catalog=catalog, site_url="http://distros.localhost:81") as world:
        pictures: dict[str, Picture] = world.services.pictures  # type: ignore[assignment]
        pictures["wiki"] = Picture(b"RIFF", "image/webp", "abc")
        async with world.client() as stranger:
            missing, wiki = (await stranger.get("/portainer/templates.json")).json()["templates"]
    assert wiki["logo"] == "http://distros.localhost:81/d/wiki/screenshot/abc"
    assert "logo" not in missing
