"""How much one may ask for, over HTTP: 429, when it is possible again, and who is not counted."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from orchestrator.domain.limits_exceeded import TooManyStreams
from orchestrator.service.limits import ATTEMPTS, REMEMBERED_ADDRESSES, Throttle
from orchestrator.store.tables import launches
from tests.support import ADMIN_TOKEN, ANNA, BEN, World, running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("patient_store")]

V1 = "/api/v1"


async def launch(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post(
        f"{V1}/instances", json={"distribution": "wiki"}, headers={"Prefer": "wait=60"} | headers
    )


def from_address(address: str) -> dict[str, str]:
    """As Traefik, which the tests' peer plays, forwards it."""
    return {"X-Forwarded-For": address}


async def test_beyond_the_hourly_number_a_launch_is_429_until_the_hour_is_over(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, launches_per_visitor=2) as world, world.client() as anna:
        assert [(await launch(anna)).status_code for _ in range(2)] == [201, 201]
        world.clock.advance(minutes=48)
        refused = await launch(anna)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_launches")
        assert 11 * 60 < int(refused.headers["retry-after"]) <= 12 * 60
        assert refused.json()["hint"] == "The next one is possible in 12 minutes."
        async with world.client() as ben:
            assert (await launch(ben)).status_code == 201
        world.clock.advance(minutes=12)
        assert (await launch(anna)).status_code == 201


async def test_a_client_without_cookies_is_stopped_by_its_address(tmp_path: Path) -> None:
    async with running(tmp_path, launches_per_address=3) as world:
        answers = []
        for _ in range(5):
            async with world.client() as fresh:
                answers.append(await launch(fresh, **from_address("203.0.113.7")))
        assert [answer.status_code for answer in answers] == [201, 201, 201, 429, 429]
        async with world.client() as neighbour:
            assert (await launch(neighbour, **from_address("203.0.113.8"))).status_code == 201


async def test_an_ipv6_site_is_one_address_and_a_network_has_its_own_number(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, launches_per_address=2, launches_per_network=3) as world:

        async def status(address: str) -> int:
            async with world.client() as fresh:
                return (await launch(fresh, **from_address(address))).status_code

        assert [await status(f"2001:db8:1:1::{n}") for n in (1, 2, 3)] == [201, 201, 429]
        assert [await status(f"2001:db8:1:2::{n}") for n in (1, 2)] == [201, 429]
        assert await status("2001:db8:2::1") == 201


@pytest.mark.parametrize(
    "spoofed", [{"X-Real-Ip": "6.6.6.{}"}, {"X_Forwarded_For": "6.6.6.{}"}, {"Forwarded": "for={}"}]
)
async def test_no_other_header_changes_the_address(tmp_path: Path, spoofed: dict[str, str]) -> None:
    async with running(tmp_path, launches_per_address=1) as world:
        answers = []
        for number in range(2):
            headers = {name: value.format(number) for name, value in spoofed.items()}
            async with world.client() as fresh:
                answers.append(await launch(fresh, **headers, **from_address("203.0.113.7")))
        assert [answer.status_code for answer in answers] == [201, 429]


async def test_of_a_hundred_who_race_for_the_last_launch_one_wins(tmp_path: Path) -> None:
    async with running(tmp_path, launches_per_address=4, capacity=200) as world:
        for _ in range(3):
            async with world.client() as fresh:
                await launch(fresh)

        async def race() -> int:
            async with world.client() as fresh:
                return (await launch(fresh)).status_code

        statuses = await asyncio.gather(*(race() for _ in range(100)))
        assert (statuses.count(201), statuses.count(429)) == (1, 99)
        assert len(world.engine.host.containers) == 4


async def test_a_repetition_with_the_same_key_does_not_count_twice(tmp_path: Path) -> None:
    async with running(tmp_path, launches_per_visitor=2) as world, world.client() as anna:
        await launch(anna)
        same = [await launch(anna, **{"Idempotency-Key": "once"}) for _ in range(3)]
        assert [answer.status_code for answer in same] == [201] * 3
        assert len({answer.json()["id"] for answer in same}) == 1
        assert (await launch(anna)).status_code == 429


async def test_only_so_many_sites_live_at_once_and_a_deleted_one_makes_room(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, instances_per_visitor=2) as world, world.client() as anna:
        first = (await launch(anna)).json()["id"]
        await launch(anna)
        refused = await launch(anna)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_instances")
        assert 0 < int(refused.headers["retry-after"]) <= 40 * 60
        await anna.delete(f"{V1}/instances/{first}")
        assert (await launch(anna)).status_code == 201


async def test_those_that_queue_count_as_well_and_for_their_address(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1, instances_per_address=2) as world:
        statuses = []
        for _ in range(3):
            async with world.client() as fresh:
                body = {"distribution": "wiki"}
                statuses.append((await fresh.post(f"{V1}/instances", json=body)).status_code)
        assert statuses == [202, 202, 429]


async def test_what_was_refused_does_not_count(tmp_path: Path) -> None:
    async with running(tmp_path, launches_per_visitor=1) as world, world.client() as anna:
        missing = await anna.post(f"{V1}/instances", json={"distribution": "missing"})
        assert missing.status_code == 503
        assert (await launch(anna)).status_code == 201


async def test_the_admin_has_no_limits(tmp_path: Path) -> None:
    async with (
        running(tmp_path, launches_per_visitor=1, instances_per_address=1) as world,
        world.admin() as admin,
    ):
        assert [(await launch(admin)).status_code for _ in range(3)] == [201] * 3
        async with world.client() as anna:
            assert (await launch(anna)).status_code == 201


async def test_the_page_says_it_where_the_button_is(tmp_path: Path) -> None:
    async with running(tmp_path, launches_per_visitor=1) as world, world.client() as anna:
        for _ in range(2):
            page = await anna.submit("/launch", data={"distribution": "wiki", "name": "mine"})
        assert page.status_code == 429 and int(page.headers["retry-after"]) > 3500
        assert re.search(r'id="complaint-create".*?You have created 1 site in', page.text, re.S)
        assert "The next one is possible in 1 hour." in page.text
        assert 'value="mine"' in page.text


async def test_limits_survive_a_restart(tmp_path: Path) -> None:
    cookie = ""
    for expected in (201, 429):
        async with running(tmp_path, launches_per_visitor=1) as world, world.client() as anna:
            if cookie:
                anna.cookies.set("distros_visitor", cookie)
            assert (await launch(anna)).status_code == expected
            cookie = anna.cookies["distros_visitor"]


async def test_addresses_are_kept_as_hashes_only_and_no_longer_than_they_count(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        async with world.client() as anna:
            ended = (await launch(anna, **from_address("203.0.113.7"))).json()["id"]
            living = (await launch(anna, **from_address("203.0.113.7"))).json()["id"]
            await anna.delete(f"{V1}/instances/{ended}")
        store = world.services.ledger.store
        await store.forget_launches(before=world.clock())
        assert b"203.0.113" not in contents(tmp_path)
        rows = await store._rows(launches.select())  # type: ignore[attr-defined]
        assert [row["instance_id"] for row in rows] == [living]


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("distros.db*"))


# -- event streams ---------------------------------------------------------------------------------


async def test_one_visitor_opens_only_so_many_streams_and_a_closed_one_makes_room(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, streams_per_visitor=2, streams_per_address=3) as world:
        limits = world.services.limits
        with limits.stream(ANNA), limits.stream(ANNA):
            with pytest.raises(TooManyStreams):
                limits.require_stream(ANNA)
            limits.require_stream(BEN)
        limits.require_stream(ANNA)
        assert limits._streams == {}


async def test_a_stream_too_many_is_429_with_retry_after(tmp_path: Path) -> None:
    async with running(tmp_path, streams_per_visitor=1) as world, world.client() as anna:
        path = f"{V1}/instances/{(await launch(anna)).json()['id']}"
        first = asyncio.create_task(anna.get(f"{path}/events"))
        while not world.services.limits._streams:
            await asyncio.sleep(0.01)
        refused = await anna.get(f"{path}/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert refused.headers["retry-after"] == "5"
        await anna.delete(path)
        assert (await first).status_code == 200
        assert world.services.limits._streams == {}


# -- wrong tokens ----------------------------------------------------------------------------------


async def test_after_ten_wrong_tokens_the_next_is_429_and_the_right_one_still_passes(
    world: World,
) -> None:
    async with world.client() as stranger:

        async def status(token: str, address: str = "203.0.113.7") -> int:
            headers = {"Authorization": f"Bearer {token}"} | from_address(address)
            answer = await stranger.get(f"{V1}/instances", headers=headers)
            assert answer.status_code != 429 or 0 < int(answer.headers["retry-after"]) <= 600
            return answer.status_code

        assert [await status(f"wrong-{n}") for n in range(ATTEMPTS + 2)] == [401] * 10 + [429] * 2
        assert await status(ADMIN_TOKEN) == 200
        assert await status("wrong", "203.0.113.8") == 401


def test_who_guesses_is_remembered_for_ten_minutes_and_without_end_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("orchestrator.service.limits.time.monotonic", lambda: now[0])
    throttle = Throttle()

    def refused(address: str) -> bool:
        try:
            throttle.require(address)
        except Exception:
            return True
        return False

    for _ in range(ATTEMPTS):
        throttle.failed("a")
    assert refused("a") and not refused("b")
    now[0] += 601
    assert not refused("a")
    for number in range(REMEMBERED_ADDRESSES + 5):
        throttle.failed(str(number))
    assert len(throttle._failures) == REMEMBERED_ADDRESSES


# -- what keeps a connection, or the engine, busy --------------------------------------------------


async def test_of_many_who_wait_for_a_launch_only_so_many_are_kept_waiting(tmp_path: Path) -> None:
    async with running(tmp_path, streams_per_visitor=3) as world, world.client() as anna:
        world.engine.start_delay = 60
        await anna.get("/")

        async def ask() -> httpx.Response:
            return await launch(anna, **{"Idempotency-Key": "one"})

        asking = [asyncio.create_task(ask()) for _ in range(20)]
        async with asyncio.timeout(20):
            while sum(each.done() for each in asking) < 17:
                await asyncio.sleep(0.01)
        waiting = [each for each in asking if not each.done()]
        assert len(waiting) == 3
        assert {each.result().status_code for each in asking if each.done()} == {202}
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert world.services.limits._streams == {}


async def test_many_who_read_one_log_at_once_ask_the_engine_once(world: World) -> None:
    async with world.client() as anna:
        instance_id = (await launch(anna)).json()["id"]
        world.engine.host.say(world.engine.name_of(instance_id), "It works.")
        before = world.engine.calls.count(("logs", instance_id))
        path = f"{V1}/instances/{instance_id}/logs"
        answers = await asyncio.gather(*(anna.get(path) for _ in range(50)))
        assert {answer.text for answer in answers} == {"It works.\n"}
        assert world.engine.calls.count(("logs", instance_id)) - before < 5
        world.engine.host.say(world.engine.name_of(instance_id), "Still.")
        assert (await anna.get(path)).text == "It works.\nStill.\n"
