"""The admin's means against abuse: kill switch, bans, takedown, and the record of all of it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.domain.models import Caller, State
from tests.support import World, running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("patient_store")]

V1 = "/api/v1"
HERE = {"X-Forwarded-For": "203.0.113.7"}


async def launch(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post(
        f"{V1}/instances", json={"distribution": "wiki"}, headers={"Prefer": "wait=60"} | headers
    )


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


# -- the kill switch -------------------------------------------------------------------------------


async def test_a_pause_stops_everybodys_launches_and_tells_visitors_why(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.admin() as admin, world.client() as anna:
        running_one = (await launch(anna)).headers["location"]
        said = await admin.put(f"{V1}/pause", json={"reason": "We move to a new machine."})
        assert said.json()["paused"] and said.json()["by"] == "admin"
        for client in (anna, admin):
            refused = await launch(client)
            assert outcome(refused) == (503, "launches_paused")
            assert refused.headers["retry-after"]
            assert "We move to a new machine." in refused.json()["detail"]
        page = await anna.get("/")
        assert (
            "We move to a new machine." in page.text
            and "disabled><span data-says>Create site" in page.text
        )
        assert (await anna.get(running_one)).json()["state"] == "ready"
    async with running(tmp_path) as world, world.admin() as admin, world.client() as anna:
        assert outcome(await launch(anna)) == (503, "launches_paused")
        assert "new machine" in (await anna.get("/")).text
        assert (await admin.delete(f"{V1}/pause")).status_code == 204
        assert (await launch(anna)).status_code == 201
        assert (await anna.get(f"{V1}/pause")).json()["paused"] is False


async def test_no_launch_slips_through_while_the_switch_is_thrown(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=100) as world, world.admin() as admin:

        async def one() -> int:
            async with world.client() as anna:
                return (await launch(anna)).status_code

        racers = [asyncio.create_task(one()) for _ in range(50)]
        await admin.put(f"{V1}/pause", json={"reason": "Stop."})
        admitted = len(await world.services.ledger.store.list())
        assert set(await asyncio.gather(*racers)) <= {201, 503}
        assert len(await world.services.ledger.store.list()) == admitted


# -- bans and takedown -----------------------------------------------------------------------------


async def test_who_launched_an_instance_can_be_stopped_and_banned_in_one_call(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world, world.admin() as admin, world.client() as anna:
        bad = (await launch(anna, **HERE)).json()["id"]
        target = {"instance": bad, "ban": True, "reason": "It was a phishing page."}
        done = (await admin.post(f"{V1}/takedowns", json=target)).json()
        assert done["stopped"] == [bad]
        assert [each["kind"] for each in done["bans"]] == ["visitor", "address"]
        await world.ended(bad)
        gone = (await anna.get(f"{V1}/instances/{bad}")).json()
        assert (gone["reason"], gone["detail"]) == ("removed_by_admin", target["reason"])
        assert outcome(await launch(anna, **{"X-Forwarded-For": "203.0.113.8"})) == (403, "banned")
        async with world.client() as fresh:
            assert outcome(await launch(fresh, **HERE)) == (403, "banned")
        async with world.client() as neighbour:
            headers = {"X-Forwarded-For": "203.0.113.9"}
            assert (await launch(neighbour, **headers)).status_code == 201
        for each in done["bans"]:
            assert (await admin.delete(f"{V1}/bans/{each['id']}")).status_code == 204
        assert (await launch(anna, **HERE)).status_code == 201


async def test_an_address_can_be_taken_down_and_banned_by_its_number(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.admin() as admin:
        ids = []
        for last in (1, 2):
            async with world.client() as anna:
                there = {"X-Forwarded-For": f"2001:db8:1:1::{last}"}
                ids.append((await launch(anna, **there)).json()["id"])
        async with world.client() as ben:
            await launch(ben, **HERE)
        target = {"address": "2001:db8:1:1::99", "ban": True}
        done = (await admin.post(f"{V1}/takedowns", json=target)).json()
        assert sorted(done["stopped"]) == sorted(ids)
        async with world.client() as fresh:
            there = {"X-Forwarded-For": "2001:db8:1:1::77"}
            assert outcome(await launch(fresh, **there)) == (403, "banned")


async def test_a_distribution_can_be_taken_down_and_banned(world: World) -> None:
    async with world.admin() as admin, world.client() as anna:
        ids = [(await launch(anna)).json()["id"] for _ in range(2)]
        target = {"distribution": "wiki", "ban": True}
        done = (await admin.post(f"{V1}/takedowns", json=target)).json()
        assert sorted(done["stopped"]) == sorted(ids)
        assert outcome(await launch(anna)) == (403, "distribution_banned")
        page = await anna.submit("/launch", data={"distribution": "wiki"})
        assert page.status_code == 403
        assert "This application cannot be created here at the moment." in page.text
        (ban,) = (await admin.get(f"{V1}/bans")).json()["bans"]
        assert (ban["kind"], ban["shown"], ban["created_by"]) == ("distribution", "wiki", "admin")


async def test_the_same_ban_twice_is_one(world: World) -> None:
    async with world.admin() as admin:
        asked = {"address": "203.0.113.7", "reason": "Spam."}
        first, second = [(await admin.post(f"{V1}/bans", json=asked)).json() for _ in "ab"]
        assert first == second


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, (422, "invalid_request")),
        ({"visitor": "v-a", "address": "203.0.113.7"}, (422, "invalid_request")),
        ({"address": "203.0.113"}, (422, "invalid_request")),
        ({"distribution": "none"}, (404, "unknown_distribution")),
        ({"instance": "abcdefghijkm"}, (404, "unknown_instance")),
        ({"visitor": "a\nb"}, (422, "invalid_request")),
        ({"visitor": "V-ABC"}, (422, "invalid_request")),
        ({"visitor": "v-"}, (422, "invalid_request")),
        ({"visitor": "v-1a2b3c4d"}, (404, "unknown_visitor")),
        ({"visitor": f"v-{'0' * 32}"}, (404, "unknown_visitor")),
    ],
)
async def test_a_ban_names_one_thing_that_exists(
    world: World, target: dict[str, Any], expected: tuple[int, str]
) -> None:
    async with world.admin() as admin:
        assert outcome(await admin.post(f"{V1}/bans", json=target)) == expected
        assert outcome(await admin.post(f"{V1}/takedowns", json=target | {"ban": True})) == expected
        assert (await admin.get(f"{V1}/bans")).json() == {"bans": []}


async def owner_of(world: World, instance_id: str) -> str:
    found = await world.services.ledger.find(instance_id)
    assert found is not None
    return found.owner


async def test_a_visitor_is_banned_by_what_the_admin_page_shows_of_them(world: World) -> None:
    async with world.admin() as admin, world.client() as anna, world.client() as ben:
        code = await owner_of(world, (await launch(anna)).json()["id"])
        await launch(ben)
        asked = {"visitor": f" {code[:10].upper()}"}
        (ban,) = (await admin.post(f"{V1}/bans", json=asked)).json()["bans"]
        assert ban["shown"] == code
        assert outcome(await launch(anna)) == (403, "banned")
        assert (await launch(ben)).status_code == 201


async def test_the_beginning_of_two_visitors_codes_bans_neither(world: World) -> None:
    for end in "ab":
        await world.launched(Caller(f"v-{'0' * 31}{end}"))
    async with world.admin() as admin:
        answer = await admin.post(f"{V1}/bans", json={"visitor": f"v-{'0' * 31}"})
        assert outcome(answer) == (422, "invalid_request")
        answer = await admin.post(f"{V1}/bans", json={"visitor": f"v-{'0' * 31}b"})
        assert answer.status_code == 201


ELSEWHERE = {"X-Forwarded-For": "203.0.113.8"}


@pytest.mark.parametrize("kind", ["visitor", "address", "distribution"])
async def test_what_a_banned_one_has_runs_on_and_is_theirs_but_cannot_be_renewed(
    world: World, kind: str
) -> None:
    async with world.admin() as admin, world.client() as anna, world.client() as ben:
        path = (await launch(anna, **HERE)).headers["location"]
        neighbours = (await launch(ben, **ELSEWHERE)).headers["location"]
        owner = await owner_of(world, path.rpartition("/")[2])
        key = {"visitor": owner, "address": HERE["X-Forwarded-For"], "distribution": "wiki"}[kind]
        (ban,) = (await admin.post(f"{V1}/bans", json={kind: key})).json()["bans"]
        before = (await anna.get(path)).json()
        world.clock.advance(minutes=10)
        for address in (HERE, ELSEWHERE):
            refused = await anna.post(f"{path}/renew", headers=address)
            assert outcome(refused) == (403, "renewal_banned")
        page = await anna.submit(path.removeprefix(V1) + "/renew")
        assert page.status_code == 403 and "may not be renewed any more" in page.text
        offered = kind == "address"  # it is not known from which one a site was launched
        shown = (await anna.get(path)).json()
        assert shown == before | {"state": "ready", "renewable": offered}
        assert ("/renew" in (await anna.get(path.removeprefix(V1))).text) is offered
        assert (await admin.get(path)).json()["renewable"]
        renewed = await ben.post(f"{neighbours}/renew", headers=ELSEWHERE)
        assert renewed.status_code == (403 if kind == "distribution" else 200)
        assert (await admin.post(f"{path}/renew")).status_code == 200
        world.clock.advance(minutes=10)
        await admin.delete(f"{V1}/bans/{ban['id']}")
        assert (await anna.post(f"{path}/renew", headers=HERE)).status_code == 200
        assert (await anna.delete(path)).status_code == 204


async def test_whoever_comes_from_a_banned_address_renews_nothing(world: World) -> None:
    async with world.admin() as admin, world.client() as anna:
        path = (await launch(anna, **ELSEWHERE)).headers["location"]
        await admin.post(f"{V1}/bans", json={"address": HERE["X-Forwarded-For"]})
        refused = await anna.post(f"{path}/renew", headers=HERE)
        assert outcome(refused) == (403, "renewal_banned")
        assert (await anna.post(f"{path}/renew", headers=ELSEWHERE)).status_code == 200


@pytest.mark.parametrize("kind", ["visitor", "address", "distribution"])
async def test_a_ban_ends_what_is_on_its_way_or_waits(tmp_path: Path, kind: str) -> None:
    async with (
        running(tmp_path, capacity=2, queue_limit=5) as world,
        world.admin() as admin,
        world.client() as anna,
        world.client() as ben,
    ):
        await launch(ben, **ELSEWHERE)
        world.engine.start_delay = 5
        at_once = {"Prefer": "wait=0"}
        first, second = [
            (await launch(anna, **HERE, **at_once)).headers["location"] for _ in range(2)
        ]
        await world.until(first.rpartition("/")[2], lambda now: now.state is State.STARTING)
        assert (await anna.get(second)).json()["state"] == "queued"
        owner = await owner_of(world, first.rpartition("/")[2])
        key = {"visitor": owner, "address": HERE["X-Forwarded-For"], "distribution": "wiki"}
        asked = {kind: key[kind], "reason": "It was spam."}
        assert (await admin.post(f"{V1}/bans", json=asked)).status_code == 201
        for path in (first, second):
            await world.until(path.rpartition("/")[2], lambda now: not now.state.pending)
            ended = (await anna.get(path)).json()
            assert (ended["reason"], ended["detail"]) == ("removed_by_admin", "It was spam.")
        states = [each.state for each in world.services.ledger.live.values()]
        assert states == [State.READY, State.STOPPING]  # the latter until it has started


async def test_nothing_slips_into_the_queue_past_a_ban(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1, queue_limit=100) as world, world.admin() as admin:
        await launch(admin)

        async def one() -> int:
            async with world.client() as anna:
                return (await launch(anna, Prefer="wait=0")).status_code

        racers = [asyncio.create_task(one()) for _ in range(50)]
        while not len(world.services.waiting):
            await asyncio.sleep(0)
        await admin.post(f"{V1}/bans", json={"distribution": "wiki"})
        assert set(await asyncio.gather(*racers)) <= {202, 403}
        live = world.services.ledger.live.values()
        assert [each.owner for each in live] == ["admin"]


async def test_an_admins_own_launch_bans_nobody(world: World) -> None:
    async with world.admin() as admin:
        mine = (await launch(admin)).json()["id"]
        answer = await admin.post(f"{V1}/bans", json={"instance": mine})
        assert outcome(answer) == (422, "invalid_request")


async def test_nobody_but_an_admin_gets_at_any_of_it(world: World) -> None:
    async with world.client() as anna:
        for method, path in (
            ("POST", "tokens"),
            ("GET", "tokens"),
            ("DELETE", "tokens/x"),
            ("POST", "bans"),
            ("GET", "bans"),
            ("DELETE", "bans/x"),
            ("POST", "takedowns"),
            ("PUT", "pause"),
            ("DELETE", "pause"),
            ("GET", "audit"),
        ):
            answer = await anna.request(method, f"{V1}/{path}", json={})
            assert outcome(answer) == (401, "unauthorized"), path
    assert await world.services.safety.audit(10) == ()


# -- the record ------------------------------------------------------------------------------------


async def test_every_change_by_an_admin_is_in_the_record_whatever_came_of_it(
    world: World,
) -> None:
    async with world.admin() as admin, world.client() as anna:
        annas = (await launch(anna)).json()["id"]
        await anna.post(f"{V1}/instances/{annas}/renew")
        await admin.delete(f"{V1}/instances/{annas}")
        await admin.delete(f"{V1}/tokens/none")
        await admin.put(f"{V1}/pause", json={"reason": "Stop."})
        await admin.put(f"{V1}/pause", json={})
        entries = (await admin.get(f"{V1}/audit")).json()["entries"]
    told = [(each["action"], each["target"], each["result"]) for each in entries]
    assert told == [
        ("pause_launches", "", "invalid_request"),
        ("pause_launches", "Stop.", "ok"),
        ("revoke_token", "none", "unknown_token"),
        ("delete_instance", annas, "ok"),
    ]
    assert {each["actor"] for each in entries} == {"admin token"}
    assert {each["address"] for each in entries} == {"127.0.0.1"}


async def test_the_record_is_kept_for_a_year(world: World) -> None:
    async with world.admin() as admin:
        await admin.delete(f"{V1}/pause")
        safeguards = world.services.ledger.store.safeguards
        await safeguards.forget_audit(before=world.clock() - timedelta(minutes=1))
        assert len(await safeguards.audit(9)) == 1
        await safeguards.forget_audit(before=world.clock())
        assert await safeguards.audit(9) == ()


# -- report abuse ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("abuse@distros.example", "mailto:abuse@distros.example"),
        ("https://distros.example/abuse", "https://distros.example/abuse"),
    ],
)
async def test_pages_of_the_site_and_of_an_instance_that_is_gone_say_where_to_report(
    tmp_path: Path, contact: str, link: str
) -> None:
    async with running(tmp_path, abuse_contact=contact) as world, world.client() as anna:
        document = (await launch(anna)).json()
        page = f"/instances/{document['id']}"
        html = {"Accept": "text/html"}
        assert f'href="{link}">Report abuse</a>' in (await anna.get(page)).text
        await anna.delete(f"{V1}{page}")
        for address in (page, document["url"]):
            gone = await anna.get(address, headers=html)
            assert gone.status_code == 410
            assert f'href="{link}">Report abuse</a>' in gone.text


async def test_without_a_contact_there_is_no_such_link(world: World) -> None:
    async with world.client() as anna:
        assert "Report abuse" not in (await anna.get("/")).text
