import re
from pathlib import Path

import pytest

from ..support import ANNA, running

pytestmark = pytest.mark.anyio


async def test_an_admin_gets_the_database_as_a_file_and_puts_it_back(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.admin() as admin:
        await world.launched(ANNA)
        got = await admin.get("/api/v1/backup")
        assert got.status_code == 200
        assert got.headers["content-type"] == "application/vnd.sqlite3"
        assert got.headers["cache-control"] == "no-store"
        assert re.fullmatch(
            r'attachment; filename="distros-\d{8}-\d{6}\.db"', got.headers["content-disposition"]
        )
        assert int(got.headers["content-length"]) == len(got.content)

        put = await admin.put("/api/v1/backup", content=got.content)
        assert put.status_code == 200
        assert put.json() == {"instances": 1, "carried_over": 1, "owners_back": 0}


async def test_nobody_else_gets_near_it(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client() as visitor:
        assert (await visitor.get("/api/v1/backup")).status_code == 401
        assert (await visitor.put("/api/v1/backup", content=b"x")).status_code == 401


async def test_what_is_no_backup_is_a_problem_with_what_would_be_right(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.admin() as admin:
        refused = await admin.put("/api/v1/backup", content=b"hello")
        assert refused.status_code == 422
        problem = refused.json()
        assert (problem["code"], problem["detail"]) == (
            "invalid_backup",
            "It is not an SQLite database.",
        )
        assert problem["hint"].startswith("Send a file that `distros backup` has made.")
