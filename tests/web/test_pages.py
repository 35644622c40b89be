"""The site's pages, as a browser without JavaScript meets them."""

import asyncio
import re
import urllib.robotparser
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.models import Reason, Stage
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.domain.tickets import one_time_path
from orchestrator.service.readiness import Answer
from orchestrator.web import words
from orchestrator.web.schemas import EstimateDocument
from orchestrator.web.security import COOKIE
from tests.support import (
    BEN,
    ENGLISH,
    LINKED,
    WIKI,
    Browser,
    World,
    page_of,
    running,
    with_pool,
)

pytestmark = pytest.mark.anyio


async def create(client: Browser, **form: str) -> httpx.Response:
    return await client.submit("/launch", data={"distribution": "wiki"} | form)


async def create_ready(world: World, client: Browser, **form: str) -> str:
    """The path of the instance's page, once its site is ready."""
    path = page_of(await create(client, **form))
    await world.until(path.rpartition("/")[2], lambda now: not now.state.pending)
    return path


def never_ready(world: World) -> None:
    world.probe.site = lambda instance_id: Answer(500, marker=instance_id)


# -- the front page ----------------------------------------------------------------------------


async def test_the_front_page_offers_what_is_listed_and_picks_the_first_that_is_there(
    world: World,
) -> None:
    async with world.client() as anna:
        html = (await anna.get("/")).text
    assert re.findall(r'value="(\w+)" id="pick-', html) == ["wiki", "missing"]
    assert re.search(r'id="pick-wiki"[^>]* checked>', html)
    assert "Hidden" not in html
    assert "0 sites running now" in html


async def test_a_distribution_without_its_image_says_so_and_cannot_be_chosen(
    world: World,
) -> None:
    async with world.client() as anna:
        html = (await anna.get("/?distribution=missing")).text
    assert re.search(r'id="pick-missing"[^>]* disabled>', html)
    assert re.search(r'id="pick-wiki"[^>]* checked>', html)
    assert html.count("Not on this server yet") == 1


async def test_an_address_can_preselect_a_distribution(world: World) -> None:
    world.engine.host.images["test/missing:1"] = {}
    await world.services.images.look()
    async with world.client() as anna:
        html = (await anna.get("/?distribution=missing")).text
    assert re.findall(r'id="pick-(\w+)"[^>]* checked>', html) == ["missing"]


async def test_without_the_engine_the_front_page_says_so_and_still_answers(world: World) -> None:
    await world.lose_engine()
    async with world.client() as anna:
        response = await anna.get("/")
    assert response.status_code == 200
    assert "No new sites can be created right now" in response.text
    assert re.search(r"<button [^>]*disabled><span data-says>Create site</span>", response.text)
    assert "Not on this server yet" not in response.text


async def test_the_front_page_lists_ones_own_sites_and_nobody_elses(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        path = await create_ready(world, anna, name="notes")
        mine = (await anna.get("/")).text
        assert f'href="{path}">Login, renew, delete<span class="unseen">: notes</span>' in mine
        assert ">40 minutes</span> left" in mine
        html = (await ben.get("/")).text
    assert path not in html and "notes" not in html
    assert "1 site running now" in html


async def test_a_site_that_is_starting_is_listed_with_the_way_to_its_progress(
    world: World,
) -> None:
    never_ready(world)
    async with world.client() as anna:
        path = page_of(await create(anna))
        assert f'href="{path}">Progress<' in (await anna.get("/")).text


async def test_a_site_without_a_login_does_not_promise_one(tmp_path: Path) -> None:
    catalog = Catalog([WIKI.model_copy(update={"login": None})])
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        path = await create_ready(world, anna)
        assert f'href="{path}">Renew, delete<' in (await anna.get("/")).text


# -- launching -----------------------------------------------------------------------------------


async def test_a_launch_leads_to_its_page_and_remembers_the_visitor(world: World) -> None:
    async with world.client() as anna:
        response = await create(anna, name="My Notes")
        assert response.status_code == 303
        assert COOKIE in anna.cookies
        instance_id = page_of(response).removeprefix("/instances/")
        instance = await world.until(instance_id, lambda now: not now.state.pending)
        assert (instance.distribution, instance.name) == ("wiki", "my-notes")
        # It was ready before the browser followed: that leads to the site all the same.
        arrived = await anna.get(response.headers["location"])
    address = f"http://my-notes-{instance_id}.sandbox.localhost:8080/"
    assert (arrived.status_code, arrived.headers["location"]) == (303, address)


async def test_a_get_never_creates_anything(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        before = [call for call in world.engine.calls if call[0] in ("start", "remove")]
        instance = await world.services.ledger.store.get(path.rpartition("/")[2])
        for url in (
            "/launch?distribution=wiki",
            "/?distribution=wiki&name=x",
            path,
            f"{path}/go",
            f"{path}/renew",
            f"{path}/delete",
        ):
            assert (await anna.get(url)).status_code in (200, 303, 405)
        assert [call for call in world.engine.calls if call[0] in ("start", "remove")] == before
        assert await world.services.ledger.store.list() == (instance,)


@pytest.mark.parametrize(
    ("form", "status", "place", "message"),
    [
        ({"name": "☃"}, 422, "name", "“☃” cannot become a subdomain."),
        ({"name": "x" * 33}, 422, "name", "cannot become a subdomain."),
        ({"distribution": "nope", "name": "notes"}, 422, "distribution", "was chosen."),
        ({"distribution": "hidden", "name": "notes"}, 422, "distribution", "was chosen."),
        ({"distribution": "missing", "name": "notes"}, 503, "distribution", "not on this server"),
    ],
)
async def test_a_refused_launch_keeps_what_was_typed_and_says_what_was_wrong_where(
    world: World, form: dict[str, str], status: int, place: str, message: str
) -> None:
    async with world.client() as anna:
        response = await create(anna, **form)
    assert response.status_code == status
    assert f'value="{form["name"]}"' in response.text
    complaint = response.text.partition(f'id="complaint-{place}"')[2].partition("</p>")[0]
    assert message in complaint
    assert "`" not in complaint  # no command that only the operator can use
    assert world.engine.host.containers == {}


async def test_what_was_typed_is_shown_as_text(world: World) -> None:
    async with world.client() as anna:
        response = await create(anna, name='"><script>alert(1)</script>' * 2)
    assert response.status_code == 422
    assert "<script>" not in response.text


async def test_a_full_house_answers_503_and_when_to_try_again(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1, queue_limit=0) as world, world.client() as anna:
        await create_ready(world, anna)
        response = await create(anna, name="second")
    assert response.status_code == 503
    assert 2300 < int(response.headers["retry-after"]) <= 2400
    assert "The only place is taken." in response.text and 'value="second"' in response.text
    assert "The next place is free in 40 minutes, or sooner." in response.text


async def test_a_launch_while_the_engine_is_away_answers_503(world: World) -> None:
    world.engine.fail_next("prepare", EngineUnavailable("The engine is away."))
    async with world.client() as anna:
        response = await create(anna)
    assert (response.status_code, response.headers["retry-after"]) == (503, "10")
    complaint = response.text.partition('id="complaint-create"')[2].partition("</p>")[0]
    assert "The server that runs the sites does not answer." in complaint
    assert "`" not in complaint


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"distribution=%ff&\xff", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
    ],
)
async def test_a_form_that_cannot_be_read_is_an_error_page(
    world: World, content: bytes, content_type: str, status: int
) -> None:
    async with world.client() as anna:
        response = await anna.post(
            "/launch", content=content, headers={"Content-Type": content_type}
        )
    assert response.status_code == status
    assert "<h1>" in response.text


async def test_another_sites_page_cannot_launch_renew_or_delete(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        anna.headers["Origin"] = f"http://{path.rpartition('/')[2]}.sandbox.localhost:8080"
        for target in ("/launch", f"{path}/renew", f"{path}/delete"):
            response = await anna.submit(target, data={"distribution": "wiki"})
            assert response.status_code == 403
    assert len(world.engine.host.containers) == 1


# -- an instance's page ----------------------------------------------------------------------------


async def test_the_waiting_page_shows_the_stage_and_looks_again_by_itself(world: World) -> None:
    never_ready(world)
    async with world.client() as anna:
        path = page_of(await create(anna, name="notes"))
        await world.until(path.rpartition("/")[2], lambda now: now.stage is Stage.CHECKING)
        for address in (path, f"{path}/go"):
            response = await anna.get(address)
            assert response.status_code == 200
            assert f'http-equiv="refresh" content="2; url={path}/go"' in response.text
            current = re.findall(r'data-stage="(\w+)" data-state="current"', response.text)
            assert current == ["checking"]
            assert 'Its login will be under <a href="/sites">Your sites</a>' in response.text


async def test_go_leads_to_the_site_once_it_is_ready(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna, name="notes")
        response = await anna.get(f"{path}/go")
    assert response.status_code == 303
    instance_id = path.rpartition("/")[2]
    assert response.headers["location"] == f"http://notes-{instance_id}.sandbox.localhost:8080/"


async def test_the_instance_page_has_address_clock_and_login(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        instance = await world.services.ledger.store.get(path.rpartition("/")[2])
        html = (await anna.get(path)).text
    assert instance is not None and instance.password is not None
    address = f"http://{instance.id}.sandbox.localhost:8080"
    assert f'href="{address}/"' in html
    assert f'href="{address}/login"' in html and f'href="{address}/admin"' in html
    assert "<code>admin</code>" in html and f"<code>{instance.password}</code>" in html
    assert f'data-countdown="{instance.expires_at.isoformat()}"' in html
    assert "40 minutes" in html
    assert "the first time" not in html


async def test_where_there_is_a_one_time_link_sign_in_is_it_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=Catalog([LINKED])) as world, world.client() as anna:
        path = await create_ready(world, anna, name="notes")
        instance = await world.services.ledger.store.get(path.rpartition("/")[2])
        html = (await anna.get(path)).text
    assert instance is not None and instance.password is not None
    once = one_time_path("/sign-in", instance.password)
    address = f"http://notes-{instance.id}.sandbox.localhost:8080"
    (sign_in,) = re.findall(r'<li><a href="([^"]+)"[^>]*>Sign in', html)
    assert sign_in == f"{address}{once}"
    assert "your first visit needs no password" in html


async def test_its_creator_is_sent_to_the_one_time_link_and_nobody_else_is(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=Catalog([LINKED])) as world, world.client() as anna:
        path = await create_ready(world, anna, name="notes")
        instance = await world.services.ledger.store.get(path.rpartition("/")[2])
        assert instance is not None and instance.password is not None
        address = f"http://notes-{instance.id}.sandbox.localhost:8080"
        arrival = await anna.get(f"{path}/go")
        assert arrival.status_code == 303
        once = one_time_path("/sign-in", instance.password)
        assert arrival.headers["location"] == address + once
        assert arrival.headers["cache-control"] == "no-store"
        admins = await world.admin().get(f"{path}/go")
        assert (admins.status_code, admins.headers["location"]) == (303, f"{address}/")
        assert (await world.client().get(f"{path}/go")).status_code == 404


async def test_a_launch_that_the_pool_serves_arrives_signed_in(tmp_path: Path) -> None:
    catalog = with_pool(1, 1, login=LINKED.login)
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        while not world.services.pool.has_warm("wiki"):
            await asyncio.sleep(0.01)
        launched = await anna.submit("/launch", data={"distribution": "wiki", "name": "notes"})
    assert launched.status_code == 303
    assert re.fullmatch(
        r"http://notes-\w{12}\.sandbox\.localhost:8080/sign-in\?key=[0-9a-f]{64}",
        launched.headers["location"],
    )


@pytest.mark.parametrize("address", ["/", "/launch/wiki", "/d/wiki"])
async def test_a_site_is_created_in_a_new_tab_and_the_button_says_so(
    world: World, address: str
) -> None:
    html = (await world.client().get(address)).text
    assert re.search(r'action="/launch" data-launch target="_blank" rel="noopener">', html)
    assert re.search(r"<button [^>]*>[^(]*\(opens in a new tab\)</span></button>", html)
    assert 'It opens in a new tab. Its clock and its login are under <a href="/sites">' in html


async def test_what_was_refused_is_tried_again_in_the_same_tab(world: World) -> None:
    async with world.client() as anna:
        refused = await anna.submit("/launch", data={"distribution": "wiki", "name": "☃"})
    assert refused.status_code == 422
    assert 'data-launch target="_blank"' not in refused.text and "new tab" not in refused.text


async def test_the_warning_before_the_end_stands_there_without_scripts_too(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        early = (await anna.get(path)).text
        refresh = re.search(r'<noscript><meta http-equiv="refresh" content="(\d+)">', early)
        assert refresh is not None and 35 * 60 - 5 <= int(refresh[1]) <= 35 * 60 + 1
        assert re.search(r'role="status" data-warning hidden>', early)
        world.clock.advance(seconds=int(refresh[1]))
        for page in (path, "/sites"):
            html = (await anna.get(page)).text
            assert re.search(r'role="status" data-warning>', html)
            assert "<strong data-warning-words>Less than five minutes are left.</strong>" in html
            assert "Renew it while it runs." in html
        world.clock.advance(minutes=4, seconds=10)
        assert "Less than a minute is left.</strong>" in (await anna.get(path)).text


async def test_renewing_gives_a_whole_lifetime_again(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        world.clock.advance(minutes=30)
        assert ">10 minutes</p>" in (await anna.get(path)).text
        response = await anna.submit(f"{path}/renew")
        assert (response.status_code, response.headers["location"]) == (303, path)
        assert ">40 minutes</p>" in (await anna.get(path)).text


async def test_a_renewal_promises_no_more_than_it_gives(tmp_path: Path) -> None:
    async with running(tmp_path, max_lifetime="90m") as world, world.client() as anna:
        path = await create_ready(world, anna)
        id_ = path.rpartition("/")[2]
        latest = world.services.ledger.live[id_].created_at + timedelta(minutes=90)
        for page in (path, "/sites"):
            assert "<button>Renew to 40 minutes</button>" in (await anna.get(page)).text
        world.clock.advance(minutes=35)
        await anna.submit(f"{path}/renew")
        until = (await anna.get(f"/api/v1/instances/{id_}")).json()["renewable_until"]
        assert abs(datetime.fromisoformat(until) - latest) < timedelta(seconds=5)
        for page in (path, "/sites"):
            html = (await anna.get(page)).text
            assert "Renew to" not in html
            assert re.search(r"<button>Renew, until <time .+</time> at most</button>", html)
        world.clock.advance(minutes=30)
        await anna.submit(f"{path}/renew")
        assert world.services.ledger.live[id_].expires_at == datetime.fromisoformat(until)
        over = (await anna.get(f"/api/v1/instances/{id_}")).json()
        assert (over["renewable"], over["renewable_until"]) == (False, None)


async def test_a_site_that_has_had_its_longest_time_offers_no_renewal(tmp_path: Path) -> None:
    async with running(tmp_path, max_lifetime="40m") as world, world.client() as anna:
        path = await create_ready(world, anna)
        assert f"{path}/renew" not in (await anna.get(path)).text


async def test_deleting_leads_to_a_page_that_says_so(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna, name="notes")
        response = await anna.submit(f"{path}/delete")
        assert (response.status_code, response.headers["location"]) == (303, path)
        assert (await anna.get(path)).status_code == 410
        await world.ended(path.rpartition("/")[2])
        response = await anna.get(path)
        assert response.status_code == 410
        assert "<h1>You deleted this site</h1>" in response.text
        assert 'name="name" value="notes"' in response.text  # the same again
        assert world.engine.host.containers == {}
        assert (await anna.submit(f"{path}/delete")).status_code == 303
        assert (await anna.submit(f"{path}/renew")).status_code == 410


async def test_a_launch_that_was_cancelled_is_not_said_to_have_been_a_site(world: World) -> None:
    never_ready(world)
    async with world.client() as anna:
        path = page_of(await create(anna))
        await anna.submit(f"{path}/delete")
        await world.ended(path.rpartition("/")[2])
        response = await anna.get(path)
    assert response.status_code == 410
    assert "<h1>You cancelled this site</h1>" in response.text
    assert "It was not ready yet. Nothing of it is left." in response.text
    assert "It ended at" not in response.text


async def test_a_site_that_is_being_removed_has_a_page_whatever_the_engine_says(
    world: World,
) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        world.engine.fail_next("remove", EngineError("It is busy."), times=3)
        world.engine.fail_next("logs", EngineError("It is marked for removal."), times=9)
        await anna.submit(f"{path}/delete")
        response = await anna.get(path)
        assert response.status_code == 410
        assert "It is being removed right now" in response.text
        assert "has deleted it" not in response.text and "is left" not in response.text
        assert 'http-equiv="refresh"' in response.text
        await world.ended(path.rpartition("/")[2])


async def test_a_crash_shows_its_last_lines_to_the_owner(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        instance_id = path.rpartition("/")[2]
        name = world.engine.name_of(instance_id)
        world.engine.host.say(name, "<b>boom</b>")
        await world.engine.host.crash(name)
        await world.ended(instance_id)
        response = await anna.get(path)
    assert response.status_code == 410
    assert "This site has crashed" in response.text
    assert "&lt;b&gt;boom&lt;/b&gt;" in response.text


async def test_two_visitors_cannot_see_or_change_each_others_sites(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        path = await create_ready(world, anna)
        await create_ready(world, ben)
        answers = [
            await ben.get(path),
            await ben.get(f"{path}/go"),
            await ben.submit(f"{path}/renew"),
            await ben.submit(f"{path}/delete"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert (await anna.get(path)).status_code == 200


# -- frame and files -----------------------------------------------------------------------------


async def test_every_page_is_private_and_allows_no_foreign_code(world: World) -> None:
    async with world.client() as anna:
        path = await create_ready(world, anna)
        for address in ("/", path, "/nowhere"):
            response = await anna.get(address)
            assert response.headers["cache-control"] == "no-store"
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
            assert " style=" not in response.text
            assert re.findall(r"<script(?! type=\"module\" src=\"/static/)", response.text) == []


async def test_errors_are_pages_for_people(world: World) -> None:
    async with world.client() as anna:
        missing = await anna.get("/nowhere")
        wrong = await anna.get("/launch")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert "There is nothing at /nowhere." in missing.text
    assert wrong.headers["allow"] == "POST"


async def test_static_files_are_kept_as_long_as_their_content_stays(world: World) -> None:
    async with world.client() as anna:
        urls = re.findall(r'(?:href|src)="(/static/[^"]+)"', (await anna.get("/")).text)
        assert len(urls) > 5
        for url in urls:
            response = await anna.get(url)
            assert response.status_code == 200
            assert "immutable" in response.headers["cache-control"]
        old = re.sub(r"/static/\w+/", "/static/0123456789ab/", urls[0])
        assert (await anna.get(old)).headers["cache-control"] == "no-cache"
        for wrong in ("/static/0/none.css", "/static/0/..%2f..%2fpyproject.toml", "/static/0/"):
            assert (await anna.get(wrong)).status_code == 404


async def test_search_engines_may_read_the_catalogue_and_nobodys_own(world: World) -> None:
    async with world.client() as robot:
        answer = await robot.get("/robots.txt")
    rules = urllib.robotparser.RobotFileParser()
    rules.parse(answer.text.splitlines())
    assert answer.headers["content-type"].startswith("text/plain")
    for path, allowed in {
        "/": True,
        "/d/wiki": True,
        "/static/0/css/base.css": True,
        "/s/token": False,
        "/instances/abc": False,
        "/sites": False,
        "/admin": False,
    }.items():
        assert rules.can_fetch("anything", path) is allowed, path


def test_there_are_words_for_every_stage_and_ending() -> None:
    for stage in Stage:
        assert ENGLISH.has(f"stage.{stage}.label") and ENGLISH.has(f"stage.{stage}.sentence")
    for reason in Reason:
        assert ENGLISH.has(f"ending.{reason}.title") and ENGLISH.has(f"ending.{reason}.sentence")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 seconds"),
        (1, "1 second"),
        (59.7, "1 minute"),
        (2400, "40 minutes"),
        (3600, "1 hour"),
        (5430, "1 hour 30 minutes"),
        (7260, "2 hours 1 minute"),
    ],
)
def test_lengths_of_time_read_well(seconds: float, said: str) -> None:
    assert words.duration(ENGLISH, seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a second"),
        (1.4, "a second"),
        (1.6, "2 seconds"),
        (89, "89 seconds"),
        (90, "2 minutes"),
        (40 * 60, "40 minutes"),
        (2 * 3600, "2 hours"),
    ],
)
def test_estimates_are_not_more_exact_than_they_are(seconds: float, said: str) -> None:
    assert words.about(ENGLISH, seconds) == said


def test_the_wait_is_told_with_its_worst_or_not_at_all() -> None:
    told = words.wait(ENGLISH, EstimateDocument(usual=12.2, at_worst=30), queued=False)
    assert told == "Ready in about 12 seconds, 30 seconds at worst."
    same = words.wait(ENGLISH, EstimateDocument(usual=0.2, at_worst=0.9), queued=False)
    assert same == "Ready in about a second."
    assert words.wait(ENGLISH, None, queued=True) == "Nobody can say yet when a place will be free."
    assert words.wait(ENGLISH, None, queued=False) == ""


async def test_the_waiting_page_says_how_long_it_takes_as_a_rule(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=1) as world, world.client() as anna:
        await world.launched(BEN)
        launched = await anna.submit("/launch", data={"distribution": "wiki"})
        page = (await anna.get(launched.headers["location"])).text
        assert "number 1 in the queue" in page
        assert re.search(r"Ready in about 40 minutes\.", page)
        assert re.search(r'data-stage="booting"[^>]*data-usual="about 0\.\d s"', page)
