"""The way to a site's database tool: a ticket for its owner, and for nobody else."""

import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from orchestrator.catalog import Catalog
from orchestrator.domain.distribution import Distribution
from orchestrator.domain.models import Instance
from tests.support import WIKI, Browser, World, page_of, running

pytestmark = pytest.mark.anyio

TOOL = WIKI.model_copy(update={"database": "/database/"})
PLAIN = WIKI.model_copy(update={"slug": "plain"})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, catalog=Catalog([TOOL, PLAIN])) as world:
        yield world


async def launched(world: World, browser: Browser, slug: str = "wiki") -> Instance:
    answer = await browser.submit("/launch", data={"distribution": slug, "name": "notes"})
    instance_id = page_of(answer).split("/")[-1]
    return await world.until(instance_id, lambda now: now.ready_at is not None)


async def test_its_owner_is_sent_there_with_a_ticket_that_is_good_for_a_minute(
    world: World,
) -> None:
    async with world.client() as anna:
        instance = await launched(world, anna)
        before = int(world.clock().timestamp())
        answer = await anna.get(f"/instances/{instance.id}/database")
    assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
    assert answer.headers["referrer-policy"] == "no-referrer"
    there = urlsplit(answer.headers["location"])
    assert (there.netloc, there.path) == (
        f"notes-{instance.id}.sandbox.localhost:8080",
        "/database/",
    )
    until, _, seal = parse_qs(there.query)["ticket"][0].partition("-")
    assert before + 59 <= int(until) <= before + 62
    assert instance.password is not None
    key = hmac.new(instance.password.encode(), b"database", "sha256").hexdigest()
    assert seal == hmac.new(key.encode(), until.encode(), "sha256").hexdigest()
    assert instance.password not in answer.headers["location"]


async def test_nobody_else_gets_one(world: World) -> None:
    async with world.client() as anna, world.client() as ben, world.admin() as admin:
        instance = await launched(world, anna)
        for other in (ben, admin):
            answer = await other.get(f"/instances/{instance.id}/database")
            assert answer.status_code == 404 and "ticket" not in str(answer.headers)
        assert (await ben.get("/instances/abcdefghijkm/database")).status_code == 404


async def test_it_is_linked_where_there_is_one_and_the_link_has_no_ticket(world: World) -> None:
    async with world.client() as anna:
        own, other = await launched(world, anna), await launched(world, anna, "plain")
        link = f"http://distros.localhost:8080/instances/{own.id}/database"
        for path in (f"/instances/{own.id}", "/sites"):
            text = (await anna.get(path)).text
            assert f'href="{link}"' in text and "ticket" not in text
        assert "/database" not in (await anna.get(f"/instances/{other.id}")).text
        document = (await anna.get(f"/api/v1/instances/{own.id}")).json()
        assert document["links"]["database"] == link
        leads = await anna.get(f"/instances/{other.id}/database")
        assert leads.headers["location"] == f"/instances/{other.id}"


async def test_what_is_over_leads_to_what_has_happened(world: World) -> None:
    async with world.client() as anna:
        instance = await launched(world, anna)
        await anna.submit(f"/instances/{instance.id}/delete")
        answer = await anna.get(f"/instances/{instance.id}/database")
    assert answer.headers["location"] == f"/instances/{instance.id}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"database": "/database/?x=1"}, "must be a path alone"),
        ({"database": "/database/", "login": None}, "needs `login.password_env`"),
        (
            {
                "database": "/database/",
                "login": {"path": "/", "user": "a", "password": "everybody knows it"},
            },
            "needs `login.password_env`",
        ),
    ],
)
def test_a_database_needs_a_secret_for_its_tickets(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Distribution.model_validate(WIKI.model_dump() | changes)
