"""The API's contract, over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.safeguards import BanKind
from orchestrator.domain.tickets import one_time_path
from orchestrator.service.readiness import Answer
from tests.support import LINKED, World, running

pytestmark = pytest.mark.anyio

V1 = "/api/v1"


async def launch(client: httpx.AsyncClient, wait: int = 5, **body: Any) -> httpx.Response:
    return await client.post(
        f"{V1}/instances",
        json={"distribution": "wiki"} | body,
        headers={"Prefer": f"wait={wait}"} if wait else {},
    )


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    assert document["detail"] and document["title"]
    return response.status_code, document["code"]


async def test_the_catalogue_lists_what_is_public_and_says_what_is_not_there(world: World) -> None:
    async with world.client() as anna:
        listed = (await anna.get(f"{V1}/distributions")).json()["distributions"]
    assert {one["slug"]: one["available"] for one in listed} == {"wiki": True, "missing": False}


async def test_a_launch_that_is_waited_for_answers_201_and_the_whole_document(
    world: World,
) -> None:
    async with world.client() as anna:
        response = await launch(anna, name="My Site")
        assert response.status_code == 201
        document = response.json()
        assert response.headers["location"] == f"{V1}/instances/{document['id']}"
        assert document["url"] == f"http://my-site-{document['id']}.sandbox.localhost:8080/"
        assert document["state"] == "ready" and document["queue_position"] is None
        assert document["login"]["user"] == "admin" and document["login"]["password"]
        assert document["login"]["url"] == document["url"] + "login"
        assert document["login"]["link"] is None
        assert (await anna.get(response.headers["location"])).json() == document
        assert (await anna.get(f"{V1}/instances")).json() == {"instances": [document]}


async def test_a_document_has_the_one_time_link_at_the_sites_own_address(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=Catalog([LINKED])) as world, world.client() as anna:
        document = (await launch(anna, name="My Site")).json()
    path = one_time_path("/sign-in", document["login"]["password"])
    assert document["login"]["link"] == document["url"].removesuffix("/") + path


async def test_a_launch_that_is_not_waited_for_answers_202(world: World) -> None:
    async with world.client() as anna:
        response = await launch(anna, wait=0)
        assert response.status_code == 202
        assert response.json()["state"] in ("queued", "starting")
        assert (await anna.get(response.headers["location"])).status_code == 200


async def test_a_wait_that_is_too_short_answers_202(world: World) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
    async with world.client() as anna:
        response = await launch(anna, wait=1)
        assert (response.status_code, response.json()["state"]) == (202, "starting")


async def test_a_launch_that_fails_while_waited_for_is_a_problem(world: World) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
    async with world.client() as anna:
        response = await launch(anna, wait=20)
    assert problem(response) == (502, "launch_failed")
    assert "/start answered with status 500" in response.json()["detail"]


async def test_an_idempotency_key_makes_a_repetition_harmless(world: World) -> None:
    async with world.client() as anna:
        first = await anna.post(f"{V1}/instances", json={"distribution": "wiki"})
        anna.headers["Idempotency-Key"] = "once"
        answers = [
            await anna.post(f"{V1}/instances", json={"distribution": "wiki"}) for _ in range(3)
        ]
        ids = {answer.json()["id"] for answer in answers}
        assert len(ids) == 1 and first.json()["id"] not in ids
        clash = await anna.post(f"{V1}/instances", json={"distribution": "wiki", "name": "b"})
        assert problem(clash) == (409, "idempotency_conflict")
        longer = {"distribution": "wiki", "lifetime": 120}
        assert problem(await anna.post(f"{V1}/instances", json=longer)) == (
            409,
            "idempotency_conflict",
        )
        world.engine.unavailable = True
        again = await anna.post(f"{V1}/instances", json={"distribution": "wiki"})
        assert again.json()["id"] in ids
        world.engine.unavailable = False
        anna.headers["Idempotency-Key"] = "x" * 129
        assert problem(await launch(anna)) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "detail"),
    [
        (b"{", "application/json", 400, "malformed_request", "not JSON"),
        (b"\xff", "application/json", 400, "malformed_request", "not JSON"),
        (b"[" * 9000, "application/json", 400, "malformed_request", "not JSON"),
        (b"[]", "application/json", 422, "invalid_request", "The body: must be an object."),
        (b"{}", "application/json", 422, "invalid_request", "distribution: is missing"),
        (b'{"distribution": 7}', "application/json", 422, "invalid_request", "distribution:"),
        (
            b'{"distribution": "wiki", "size": 1}',
            "application/json",
            422,
            "invalid_request",
            "size: is not known",
        ),
        (
            b'{"distribution": "wiki", "lifetime": "60"}',
            "application/json",
            422,
            "invalid_request",
            "lifetime: must be a whole number, such as 60.",
        ),
        (
            b'{"distribution": "wiki", "lifetime": 59}',
            "application/json",
            422,
            "invalid_lifetime",
            "59 s",
        ),
        (b'{"distribution": "no"}', "application/json", 404, "unknown_distribution", "“no”"),
        (
            b'{"distribution": "hidden"}',
            "application/json",
            404,
            "unknown_distribution",
            "“hidden”",
        ),
        (
            b'{"distribution": "wiki", "name": "!"}',
            "application/json",
            422,
            "invalid_name",
            "“!” cannot become a subdomain",
        ),
        (b"distribution=wiki", "text/plain", 415, "unsupported_media_type", "text/plain"),
        (b" " * 17_000, "application/json", 413, "request_too_large", "too large"),
    ],
)
async def test_bad_input_is_refused_and_the_engine_not_touched(
    world: World, body: bytes, content_type: str, status: int, code: str, detail: str
) -> None:
    async with world.client() as anna:
        response = await anna.post(
            f"{V1}/instances", content=body, headers={"Content-Type": content_type}
        )
    assert problem(response) == (status, code)
    assert detail in response.json()["detail"] and response.json()["hint"]
    loops = {"prepare", "list", "image_id", "data_root", "prune_images"}
    assert {name for name, _ in world.engine.calls} <= loops


async def test_a_distribution_without_its_image_answers_503_with_retry_after(world: World) -> None:
    async with world.client() as anna:
        response = await launch(anna, distribution="missing")
    assert problem(response) == (503, "image_missing")
    assert int(response.headers["retry-after"]) > 0


async def test_without_engine_or_proxy_a_launch_answers_503(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client() as anna:
        world.engine.unavailable = True
        response = await launch(anna)
        assert problem(response) == (503, "engine_unavailable")
        assert response.headers["retry-after"]
        ready = await anna.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["engine"]) == (
            503,
            "The Docker Engine cannot be reached.",
        )
        assert (await anna.get("/healthz")).status_code == 200


async def test_beyond_the_capacity_a_launch_answers_503_with_retry_after(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1, queue_limit=0) as world, world.client() as anna:
        await launch(anna)
        response = await launch(anna)
        assert problem(response) == (503, "capacity_reached")
        assert int(response.headers["retry-after"]) > 60


async def test_two_visitors_cannot_see_or_change_each_others_instance(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        path = (await launch(anna)).headers["location"]
        await launch(ben)
        for response in (
            await ben.get(path),
            await ben.get(f"{path}/logs"),
            await ben.get(f"{path}/events"),
            await ben.post(f"{path}/renew"),
            await ben.delete(path),
        ):
            assert problem(response) == (404, "unknown_instance")
        assert (await anna.get(path)).json()["state"] == "ready"
        assert len((await ben.get(f"{V1}/instances")).json()["instances"]) == 1


async def test_an_admin_sees_and_deletes_everybodys(world: World) -> None:
    async with world.client() as anna, world.admin() as admin:
        path = (await launch(anna)).headers["location"]
        assert len((await admin.get(f"{V1}/instances")).json()["instances"]) == 1
        assert (await admin.delete(path)).status_code == 204
        document = (await anna.get(path)).json()
        assert (document["state"], document["reason"]) == ("gone", "removed_by_admin")


async def test_an_admin_is_answered_the_same_whatever_is_called(world: World) -> None:
    async with world.admin() as admin:
        launched = (await launch(admin)).json()
        path = f"{V1}/instances/{launched['id']}"
        assert launched["container"] and launched == (await admin.get(path)).json()
        await world.services.safety.ban(
            BanKind.DISTRIBUTION, "wiki", shown="wiki", reason="", by="a test"
        )
        world.clock.advance(minutes=10)
        seen = (await admin.get(path)).json()
        renewed = (await admin.post(f"{path}/renew")).json()
        assert seen["renewable"] and renewed["renewable"]
        assert renewed["container"] == launched["container"]


async def test_deleting_twice_is_fine_and_the_first_time_waits_until_it_is_gone(
    world: World,
) -> None:
    async with world.client() as anna:
        path = (await launch(anna)).headers["location"]
        assert (await anna.delete(path)).status_code == 204
        assert world.engine.host.containers == {}
        assert (await anna.delete(path)).status_code == 204
        assert problem(await anna.post(f"{path}/renew")) == (409, "not_renewable")


async def test_a_renewal_answers_the_new_end(world: World) -> None:
    async with world.client() as anna:
        before = (await launch(anna)).json()
        world.clock.advance(minutes=10)
        after = (await anna.post(f"{V1}/instances/{before['id']}/renew")).json()
        assert after["expires_at"] > before["expires_at"]


async def test_the_log_is_kept_after_the_end(world: World) -> None:
    async with world.client() as anna:
        document = (await launch(anna)).json()
        world.engine.host.say(world.engine.name_of(document["id"]), "hello", "world")
        path = f"{V1}/instances/{document['id']}"
        live = await anna.get(f"{path}/logs")
        assert live.text == "hello\nworld\n"
        assert live.headers["content-type"].startswith("text/plain")
        await anna.delete(path)
        assert (await anna.get(f"{path}/logs")).text == "hello\nworld\n"


async def read_events(response: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    events, name = [], ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            events.append((name, json.loads(line.removeprefix("data: "))))
    return events


async def test_the_event_stream_tells_every_state_and_ends_when_the_instance_is_gone(
    world: World,
) -> None:
    world.engine.start_delay = 0.1
    async with world.client() as anna:
        instance = (await launch(anna, wait=0)).json()
        path = f"{V1}/instances/{instance['id']}"

        async def delete_when_ready() -> None:
            await world.until(instance["id"], lambda now: now.state == "ready")
            await anna.delete(path)

        deletion = asyncio.create_task(delete_when_ready())
        events = await read_events(await anna.get(f"{path}/events"))
        await deletion
    assert [name for name, _ in events] == ["instance"] * (len(events) - 1) + ["end"]
    states = [document["state"] for name, document in events if name == "instance"]
    distinct = [
        state for state, after in zip(states, [*states[1:], None], strict=True) if state != after
    ]
    assert distinct[-4:] == ["starting", "ready", "stopping", "gone"]


async def test_the_stats_count(world: World) -> None:
    async with world.client() as anna:
        await launch(anna)
        stats = (await anna.get(f"{V1}/stats")).json()
    assert (stats["capacity"], stats["live"], stats["launches"]) == (20, 1, {"wiki": 1})
    assert stats["startup"]["wiki"]["count"] == 1


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic YTph", "Bearer é"])
async def test_a_wrong_token_is_refused_and_not_taken_for_a_visitor(
    world: World, header: str
) -> None:
    async with world.client() as anna:
        response = await anna.get(
            f"{V1}/instances", headers=[(b"Authorization", header.encode("latin-1"))]
        )
    assert problem(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.sandbox.localhost:8080"},
        {"Origin": "null"},
    ],
)
async def test_another_sites_page_can_change_nothing(world: World, headers: dict[str, str]) -> None:
    async with world.client() as anna:
        path = (await launch(anna)).headers["location"]
        for method, target in (("POST", f"{V1}/instances"), ("DELETE", path)):
            response = await anna.request(method, target, headers=headers)
            assert problem(response) == (403, "cross_site_request")
        assert (await anna.get(path)).json()["state"] == "ready"


async def test_a_forged_cookie_is_nobody(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        path = (await launch(anna)).headers["location"]
        forged = anna.cookies["distros_visitor"].rpartition(".")[0] + ".AAAA"
        ben.cookies.set("distros_visitor", forged)
        assert problem(await ben.get(path)) == (404, "unknown_instance")


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    async with world.client() as anna:
        cookie = (await launch(anna)).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "domain=" not in cookie


async def test_a_token_needs_no_cookie(world: World) -> None:
    async with world.admin() as admin:
        assert "set-cookie" not in (await launch(admin, distribution="hidden")).headers


async def test_differences_are_for_an_admin_alone(world: World) -> None:
    instance = await world.launched()
    world.routes.lose(instance.id)
    await world.compare()
    async with world.client() as anna, world.admin() as admin:
        assert problem(await anna.get(f"{V1}/differences")) == (401, "unauthorized")
        document = (await admin.get(f"{V1}/differences")).json()
    assert document["compared_at"]
    [found] = document["differences"]
    assert (found["kind"], found["instance"], found["proxy"]) == (
        "route_missing",
        instance.id,
        "nothing",
    )


async def test_a_wrong_method_names_the_right_ones(world: World) -> None:
    async with world.client() as anna:
        response = await anna.put(f"{V1}/instances")
    assert problem(response) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["allow"].split(", "))


async def test_an_unknown_address_is_a_problem_too(world: World) -> None:
    async with world.client() as anna:
        assert problem(await anna.get(f"{V1}/nothing")) == (404, "not_found")
        assert problem(await anna.get(f"{V1}/instances/abcdefghijkm")) == (404, "unknown_instance")


async def test_an_unknown_host_is_told_so(world: World) -> None:
    async with world.client(Host="evil.example") as anna:
        assert problem(await anna.get(f"{V1}/instances")) == (421, "unknown_host")


async def test_every_answer_carries_the_request_id_of_its_log_lines(world: World) -> None:
    async with world.client() as anna:
        response = await anna.get(f"{V1}/nothing")
    assert response.headers["x-request-id"] == response.json()["request_id"]


async def test_a_mistake_of_ours_shows_no_traceback(world: World) -> None:
    world.services.ledger.store.stats = None  # type: ignore[method-assign, assignment]
    transport = httpx.ASGITransport(world.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://distros.localhost:8080"
    ) as anna:
        response = await anna.get(f"{V1}/stats")
    assert problem(response) == (500, "internal")
    assert "NoneType" not in response.text
