"""The admin page: who gets in, how long, and what it shows."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from orchestrator.domain.differences import REASONS, REPAIRS, Difference, Kind
from orchestrator.domain.errors import EngineError
from orchestrator.web import admin as admin_page
from orchestrator.web import sessions
from tests.support import ADMIN_TOKEN, World, running

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_page, "WRONG_TOKEN_PAUSE", 0.0)


@pytest.fixture
async def tried(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, synthetic_distribution="hidden") as world:
        yield world


async def sign_in(browser: httpx.AsyncClient, token: str = ADMIN_TOKEN) -> httpx.Response:
    return await browser.post("/admin/sign-in", data={"token": token})


def words(response: httpx.Response) -> str:
    """The page's text."""
    main = response.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


async def test_nobody_sees_it_who_has_not_signed_in(world: World) -> None:
    async with world.client() as anna:
        response = await anna.get("/admin/")
        assert (await anna.get("/admin")).headers["location"] == "/admin/"
    assert response.status_code == 200
    assert 'type="password"' in response.text and "Health" not in response.text


async def test_the_token_opens_it_for_twelve_hours(world: World) -> None:
    async with world.client() as browser:
        response = await sign_in(browser, f" {ADMIN_TOKEN}\n")  # as one pastes it
        assert (response.status_code, response.headers["location"]) == (303, "/admin/")
        cookie = response.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/admin", "Max-Age=43200"} <= set(
            cookie.split("; ")
        )
        assert ADMIN_TOKEN not in cookie
        assert "Health" in (await browser.get("/admin/")).text


async def test_under_https_the_session_is_for_https_alone(tmp_path: Path) -> None:
    async with running(tmp_path, site_url="https://distros.example") as world:
        browser = world.client(Host="distros.example")
        async with browser:
            assert "Secure" in (await sign_in(browser)).headers["set-cookie"].split("; ")


@pytest.mark.parametrize("token", ["", "b" * 32, ADMIN_TOKEN[:-1], "ä"])
async def test_a_wrong_token_waits_a_little_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(admin_page, "WRONG_TOKEN_PAUSE", 1.0)
    monkeypatch.setattr("orchestrator.web.admin.asyncio.sleep", pause)
    async with world.client() as browser:
        response = await sign_in(browser, token)
        assert response.status_code == 403 and 1.0 in paused
        assert "This is not the admin’s token." in words(response)
        assert "set-cookie" not in response.headers
        assert "Health" not in (await browser.get("/admin/")).text


async def test_without_a_token_it_says_how_to_set_one(tmp_path: Path) -> None:
    async with running(tmp_path, admin_token="") as world, world.client() as browser:
        page = words(await browser.get("/admin/"))
        assert "openssl rand -hex 32" in page and "DISTROS_ADMIN_TOKEN" in page
        assert (await sign_in(browser, "")).status_code == 403
        assert "Health" not in (await browser.get("/admin/")).text


async def test_signing_out_ends_the_session_though_its_cookie_was_copied(world: World) -> None:
    async with world.client() as browser, world.client() as thief:
        await sign_in(browser)
        thief.cookies.set(sessions.COOKIE, browser.cookies[sessions.COOKIE])
        assert "Health" in (await thief.get("/admin/")).text

        response = await browser.post("/admin/sign-out")

        assert (response.status_code, response.headers["location"]) == (303, "/admin/")
        assert sessions.COOKIE not in browser.cookies
        for each in (browser, thief):
            assert "Health" not in (await each.get("/admin/")).text


async def test_a_session_ends_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.client() as browser:
        await sign_in(browser)
        monkeypatch.setattr(sessions, "LASTS", -sessions.LASTS)
        assert "Health" not in (await browser.get("/admin/")).text


async def test_another_token_ends_every_session(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client() as browser:
        await sign_in(browser)
        cookie = browser.cookies[sessions.COOKIE]
    async with running(tmp_path, admin_token="b" * 32) as world, world.client() as browser:
        browser.cookies.set(sessions.COOKIE, cookie)
        assert "Health" not in (await browser.get("/admin/")).text


async def test_a_visitors_cookie_is_no_session(world: World) -> None:
    async with world.client() as anna:
        await anna.submit("/launch", data={"distribution": "wiki"})
        anna.cookies.set(sessions.COOKIE, anna.cookies["distros_visitor"])
        assert "Health" not in (await anna.get("/admin/")).text


@pytest.mark.parametrize("path", ["/admin/sign-in", "/admin/sign-out"])
async def test_another_sites_page_can_neither_sign_in_nor_out(world: World, path: str) -> None:
    async with world.client(Origin="http://evil.example") as browser:
        response = await browser.post(path, data={"token": ADMIN_TOKEN})
    assert response.status_code == 403 and "set-cookie" not in response.headers


async def test_it_shows_how_the_service_does(tried: World) -> None:
    await tried.launched()
    await tried.services.synthetic.run()
    tried.engine.fail_next("start", EngineError("<b>no space</b>"))
    await tried.services.synthetic.run()
    while len(tried.services.ledger.live) > 1:
        await asyncio.sleep(0.01)
    async with tried.client() as browser:
        await sign_in(browser)
        response = await browser.get("/admin/")

    page = words(response)
    for part in admin_page.PARTS.values():
        assert f"{part} works" in page
    assert "places taken 1 of 20" in page and "ready 1 " in page
    assert "lists so far 1" in page
    assert "fails since" in page and "&lt;b&gt;no space&lt;/b&gt;" in response.text
    assert "<b>no space" not in response.text
    assert "worked 0.0" in page and "failed: " in page
    assert "have run without a failure since the start" in page


async def test_what_fails_is_named(tried: World) -> None:
    await tried.lose_engine()
    async with tried.client() as browser:
        await sign_in(browser)
        page = words(await browser.get("/admin/"))
    assert "Docker Engine fails The Docker Engine cannot be reached." in page
    assert "It has not been tried since the start of the service." in page


async def test_it_names_each_difference_and_what_is_done_about_it(world: World) -> None:
    async with world.client() as browser:
        await sign_in(browser)
        assert "There are none." in words(await browser.get("/admin/"))
        world.services.reconciler.found = (
            Difference(Kind.PAUSED, "abcdefghijkm", "distros-abc", "", "", "", world.clock()),
        )
        page = words(await browser.get("/admin/"))
    assert f"{REASONS[Kind.PAUSED]} {REPAIRS[Kind.PAUSED]} abcdefghijkm" in page


async def test_who_guesses_tokens_is_shut_out_for_a_while(world: World) -> None:
    async with world.client() as stranger:
        statuses = [(await sign_in(stranger, f"wrong-{n}")).status_code for n in range(12)]
        right = await sign_in(stranger)
    assert statuses == [403] * 10 + [429] * 2
    assert right.status_code == 429 and int(right.headers["retry-after"]) > 500
