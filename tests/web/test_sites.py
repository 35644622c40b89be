"""All one's sites on one page, and what others see of one that is shared."""

import asyncio
import re
from pathlib import Path

import pytest

from orchestrator.service.readiness import Answer
from tests.support import ANNA, Browser, World, page_of, running, with_pool

pytestmark = pytest.mark.anyio


async def created(world: World, client: Browser, **form: str) -> str:
    """The id of a site that is ready."""
    launched = await client.submit("/launch", data={"distribution": "wiki"} | form)
    instance_id = page_of(launched).rpartition("/")[2]
    await world.until(instance_id, lambda now: not now.state.pending)
    return instance_id


async def test_the_page_has_everything_of_every_site_and_nothing_of_others(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        first = await created(world, anna, name="one")
        second = await created(world, anna, name="two")
        foreign = await created(world, ben, name="foreign")
        html = (await anna.get("/sites")).text
        assert re.findall(r'data-site="(\w+)"', html) == [second, first]
        for instance_id in (first, second):
            instance = await world.services.ledger.find(instance_id)
            assert instance is not None and f"<code>{instance.password}</code>" in html
            assert f'action="/instances/{instance_id}/renew"' in html
            assert f'action="/instances/{instance_id}/delete"' in html
        assert html.count('<svg role="img" aria-label="QR code of http://') == 2
        assert foreign not in html
        assert "None is running." in (await world.client().get("/sites")).text


async def test_a_site_that_is_starting_has_no_login_and_no_clock_yet(world: World) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
    async with world.client() as anna:
        await anna.submit("/launch", data={"distribution": "wiki"})
        html = (await anna.get("/sites")).text
    assert ">Progress<" in html and "starting" in html
    assert "<dl>" not in html and 'role="timer"' not in html


async def test_a_shared_link_shows_address_and_clock_but_no_login_and_no_way_to_change_it(
    world: World,
) -> None:
    async with world.client() as anna, world.client() as stranger:
        instance_id = await created(world, anna, name="notes")
        html = (await anna.get(f"/instances/{instance_id}")).text
        (link,) = re.findall(r"<code>(http://distros\.localhost:8080/s/[^<]+)</code>", html)
        response = await stranger.get(link)
    instance = await world.services.ledger.find(instance_id)
    assert instance is not None and instance.password is not None
    assert response.status_code == 200
    assert f"http://notes-{instance_id}.sandbox.localhost:8080/" in response.text
    assert f'data-countdown="{instance.expires_at.isoformat()}"' in response.text
    for secret in (instance.password, instance.owner, "/renew", "/delete", "?key="):
        assert secret not in response.text
    assert response.headers["referrer-policy"] == "same-origin"  # no site learns the link
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers and 'name="token"' not in response.text


async def test_a_shared_link_is_worth_nothing_once_its_site_has_ended(world: World) -> None:
    async with world.client() as stranger:
        instance = await world.launched(name="notes")
        token = world.services.sharing.token(instance.id)
        assert (await stranger.get(f"/s/{token}")).status_code == 200
        await world.services.leases.delete(ANNA, instance.id)
        await world.ended(instance.id)
        response = await stranger.get(f"/s/{token}")
    assert response.status_code == 410
    assert "This site was deleted" in response.text and 'role="timer"' not in response.text


async def test_a_shared_link_cannot_be_made_up(world: World) -> None:
    instance = await world.launched()
    token = world.services.sharing.token(instance.id)
    cookie = world.services.gate._signer.sign(instance.id).decode()  # signed, but for another use
    async with world.client() as stranger:
        for wrong in (instance.id, f"{instance.id}.x", token[:-1], token.swapcase(), cookie, "%ff"):
            assert (await stranger.get(f"/s/{wrong}")).status_code == 404


async def test_a_link_to_one_of_the_pool_shows_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world, world.client() as stranger:
        while not world.services.pool.has_warm("wiki"):
            await asyncio.sleep(0.01)
        (member,) = world.services.pool.members("wiki")
        token = world.services.sharing.token(member.id)
        assert (await stranger.get(f"/s/{token}")).status_code == 404
