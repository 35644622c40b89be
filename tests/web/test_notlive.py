"""What an instance's own host answers while no instance does."""

import re
from dataclasses import replace

import httpx
import pytest

from orchestrator.domain.models import Reason, State
from orchestrator.domain.naming import NOT_LIVE_HEADER
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.service.readiness import Answer
from orchestrator.web.notlive import describe
from tests.support import ANNA, ENGLISH, HIDDEN, World

pytestmark = pytest.mark.anyio

UNKNOWN = "abcdefghijkm"


async def visit(
    world: World, host: str, path: str = "/", method: str = "GET", accept: str = "text/html"
) -> httpx.Response:
    async with world.client(Accept=accept) as stranger:
        return await stranger.request(method, f"http://{host}.sandbox.localhost:8080{path}")


def answered(response: httpx.Response) -> tuple[int, str, str | None]:
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-robots-tag"] == "noindex"
    headers = response.headers
    return response.status_code, headers[NOT_LIVE_HEADER], headers.get("retry-after")


@pytest.mark.parametrize("host", [UNKNOWN, f"notes-{UNKNOWN}", "www", "a.b", "-", UNKNOWN + "x"])
async def test_an_unknown_address_answers_404(world: World, host: str) -> None:
    assert answered(await visit(world, host)) == (404, "unknown", None)


async def test_a_starting_site_answers_503_and_looks_again_by_itself(world: World) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
    instance = await world.services.launcher.launch(ANNA, "wiki")
    await world.until(instance.id, lambda now: now.state is State.STARTING)
    response = await visit(world, instance.id)
    assert answered(response) == (503, "starting", "2")
    assert '<meta http-equiv="refresh" content="2">' in response.text


async def test_a_site_that_gives_no_answer_is_still_said_to_run(world: World) -> None:
    instance = await world.launched()
    response = await visit(world, instance.id, "/-/not-live?status=502")
    assert answered(response) == (503, "ready", "2")
    assert "This site is not answering" in response.text


async def test_a_site_whose_time_is_up_answers_410_and_offers_a_new_one(world: World) -> None:
    instance = await world.launched(name="notes")
    world.clock.advance(minutes=41)
    world.services.ledger.changed.set()
    await world.ended(instance.id)
    response = await visit(world, f"notes-{instance.id}", "/any/page")
    assert answered(response) == (410, "gone", None)
    assert "This site’s time is up" in response.text
    assert 'href="http://distros.localhost:8080/?distribution=wiki#create"' in response.text


async def test_a_failed_launch_answers_410(world: World) -> None:
    world.engine.host.images.clear()
    world.engine.host.images["test/wiki:1"] = {"traefik.enable": "true"}
    instance = await world.launched()
    await world.ended(instance.id)
    response = await visit(world, instance.id)
    assert answered(response) == (410, "failed", None)
    assert "This site could not be started" in response.text


@pytest.mark.parametrize("reason", Reason)
async def test_every_ending_is_told_in_plain_words(world: World, reason: Reason) -> None:
    instance = replace(await world.launched(), state=State.GONE, reason=reason)
    notice = describe(ENGLISH, instance, None)
    assert (notice.status, notice.title) == (410, ENGLISH.plain(f"ending.{reason}.title"))


async def test_a_cancelled_launch_was_never_deleted_with_everything_in_it(world: World) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)
    instance = await world.services.launcher.launch(ANNA, "wiki")
    await world.services.leases.delete(ANNA, instance.id)
    await world.ended(instance.id)
    response = await visit(world, instance.id)
    assert answered(response)[0] == 410
    assert "This site was cancelled" in response.text


async def test_what_is_being_removed_is_not_said_to_be_gone(world: World) -> None:
    instance = replace(await world.launched(), state=State.STOPPING, reason=Reason.EXPIRED)
    notice = describe(ENGLISH, instance, None)
    assert notice.title == ENGLISH.plain("ending.expired.title")
    assert notice.sentence == ENGLISH.plain("ending.under_way")


async def test_what_is_not_listed_is_not_offered(world: World) -> None:
    world.engine.host.images[HIDDEN.image.ref] = {}
    async with world.admin() as admin:
        sent = await admin.post(
            "/api/v1/instances", json={"distribution": "hidden"}, headers={"Prefer": "wait=5"}
        )
        instance_id = sent.json()["id"]
        await admin.delete(f"/api/v1/instances/{instance_id}")
    await world.ended(instance_id)
    response = await visit(world, instance_id)
    assert answered(response) == (410, "gone", None)
    assert "distribution=" not in response.text and "Create a site" in response.text


async def test_a_stranger_learns_nothing_of_the_owners(world: World) -> None:
    instance = await world.launched()
    world.engine.host.say(world.engine.name_of(instance.id), "secret line")
    await world.engine.host.crash(world.engine.name_of(instance.id))
    await world.ended(instance.id)
    response = await visit(world, instance.id)
    assert instance.password is not None
    for secret in ("secret line", instance.password, ANNA.visitor, "exit code"):
        assert secret not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
async def test_every_method_gets_the_same_answer(world: World, method: str) -> None:
    assert answered(await visit(world, UNKNOWN, "/launch", method)) == (404, "unknown", None)


@pytest.mark.parametrize("accept", ["*/*", "text/css,*/*;q=0.1", "image/avif,image/png,*/*;q=0.8"])
async def test_what_is_not_a_page_gets_a_line_of_text(world: World, accept: str) -> None:
    response = await visit(world, UNKNOWN, "/style.css", accept=accept)
    assert answered(response) == (404, "unknown", None)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.startswith("There is no site at this address. ")


async def test_its_looks_come_from_the_site_and_it_runs_no_code(world: World) -> None:
    response = await visit(world, UNKNOWN)
    site = "http://distros.localhost:8080"
    styles = re.findall(r'rel="stylesheet" href="([^"]+)"', response.text)
    assert styles and all(style.startswith(f"{site}/static/") for style in styles)
    assert "<script" not in response.text and "<form" not in response.text
    policy = response.headers["content-security-policy"]
    assert f"style-src {site};" in policy and "script-src" not in policy


async def test_without_the_store_it_asks_for_patience(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(instance_id: str) -> None:
        raise StoreUnavailable("The database does not answer.")

    monkeypatch.setattr(world.services.ledger.store, "get", away)
    assert answered(await visit(world, UNKNOWN)) == (503, "unavailable", "2")
