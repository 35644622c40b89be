"""The admin page: who gets in, how long, and what it shows."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from structlog.testing import capture_logs

from orchestrator.domain.differences import REASONS, REPAIRS, Difference, Kind
from orchestrator.domain.engine_errors import EngineError
from orchestrator.domain.limits_exceeded import SignInBusy
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.service import admin_secrets
from orchestrator.service.admin_secrets import AdminSecrets, hashed
from orchestrator.web import admin as admin_page
from orchestrator.web import sessions
from tests.support import ADMIN_TOKEN, ENGLISH, World, running

pytestmark = pytest.mark.anyio

PASSWORD = "four words in a row"
HASH = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)  # fast


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_page, "WRONG_SECRET_PAUSE", 0.0)


@pytest.fixture
async def tried(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, synthetic_distribution="hidden") as world:
        yield world


async def sign_in(browser: httpx.AsyncClient, token: str = ADMIN_TOKEN) -> httpx.Response:
    return await browser.post("/admin/sign-in", data={"secret": token})


async def sign_out(browser: httpx.AsyncClient) -> httpx.Response:
    return await browser.post("/admin/sign-out", data={"form": await form_token(browser)})


async def form_token(browser: httpx.AsyncClient) -> str:
    """Of the admin's pages, as long as they are signed in."""
    found = re.search(r'name="form" value="(\w+)"', (await browser.get("/admin/safeguards")).text)
    return found[1] if found else ""


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
        browser.base_url = httpx.URL("https://distros.example")
        async with browser:
            cookie = (await sign_in(browser)).headers["set-cookie"]
            assert cookie.startswith("__Host-distros_admin=")
            assert {"Secure", "Path=/", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
            assert "Domain" not in cookie
            assert "Health" in (await browser.get("/admin/")).text


@pytest.mark.parametrize("token", ["", "b" * 32, ADMIN_TOKEN[:-1], "ä"])
async def test_a_wrong_token_waits_a_little_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(admin_page, "WRONG_SECRET_PAUSE", 1.0)
    monkeypatch.setattr("orchestrator.web.admin.sleep", pause)
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

        response = await sign_out(browser)

        assert (response.status_code, response.headers["location"]) == (303, "/admin/")
        assert sessions.COOKIE not in browser.cookies
        for each in (browser, thief):
            assert "Health" not in (await each.get("/admin/")).text


async def test_it_stays_ended_in_the_next_process_and_others_go_on(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client() as anna, world.client() as ben:
        await sign_in(anna)
        await sign_in(ben)
        ended, kept = anna.cookies[sessions.COOKIE], ben.cookies[sessions.COOKIE]
        await sign_out(anna)
    async with running(tmp_path) as world, world.client() as anna, world.client() as ben:
        anna.cookies.set(sessions.COOKIE, ended)
        ben.cookies.set(sessions.COOKIE, kept)
        assert "Health" not in (await anna.get("/admin/")).text
        assert "Health" in (await ben.get("/admin/")).text


async def test_a_session_ends_by_itself(world: World) -> None:
    async with world.client() as browser:
        await sign_in(browser)
        cookie = browser.cookies[sessions.COOKIE]
        world.clock.advance(hours=11, minutes=59)
        assert "Health" in (await browser.get("/admin/")).text
        world.clock.advance(minutes=1)
        browser.cookies.set(sessions.COOKIE, cookie)
        assert "Health" not in (await browser.get("/admin/")).text
    async with world.client() as browser:
        await sign_in(browser)
    assert len(await world.services.ledger.store.safeguards.admin_sessions()) == 1


@pytest.mark.parametrize("change", [{"admin_token": "b" * 32}, {"admin_password_hash": HASH}])
async def test_another_token_or_password_ends_every_session(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    async with running(tmp_path) as world, world.client() as browser:
        await sign_in(browser)
        cookie = browser.cookies[sessions.COOKIE]
    async with running(tmp_path, **change) as world, world.client() as browser:
        browser.cookies.set(sessions.COOKIE, cookie)
        assert "Health" not in (await browser.get("/admin/")).text
        assert await world.services.ledger.store.safeguards.admin_sessions() == ()


async def test_a_restored_backup_brings_no_session_back(world: World) -> None:
    async with world.client() as browser, world.admin() as admin:
        await sign_in(browser)
        cookie = browser.cookies[sessions.COOKIE]
        backup = (await admin.get("/api/v1/backup")).content
        await sign_out(browser)
        restored = await admin.put("/api/v1/backup", content=backup)
        assert restored.status_code == 200
        browser.cookies.set(sessions.COOKIE, cookie)
        assert "Health" not in (await browser.get("/admin/")).text
        assert await world.services.ledger.store.safeguards.admin_sessions() == ()


async def test_while_the_store_is_away_one_can_sign_in_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("The database is locked.")

    safeguards = world.services.ledger.store.safeguards
    for call in ("add_admin_session", "end_admin_sessions", "note"):
        monkeypatch.setattr(safeguards, call, away)
    async with world.client() as browser:
        assert (await sign_in(browser)).status_code == 303
        assert "Health" in (await browser.get("/admin/")).text
        await sign_out(browser)  # which would come back with a restart: so it does not end
        page = words(await browser.get("/admin/"))
    assert "Nothing was done. The database is locked." in page and "Health" in page


# -- the password ----------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [PASSWORD, ADMIN_TOKEN])
async def test_where_there_is_a_password_it_and_the_token_open_the_page(
    tmp_path: Path, secret: str
) -> None:
    async with running(tmp_path, admin_password_hash=HASH) as world, world.client() as browser:
        assert "Admin password, or token" in words(await browser.get("/admin/"))
        assert (await sign_in(browser, secret)).status_code == 303
        assert "Health" in (await browser.get("/admin/")).text


async def test_the_password_alone_is_enough(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"admin_password_hash": HASH, "admin_token": ""}
    async with running(tmp_path, **changes) as world, world.client() as browser:
        assert "token" not in words(await browser.get("/admin/"))
        wrong = await sign_in(browser, "")
        assert wrong.status_code == 403
        assert "This is not the admin’s password." in words(wrong)
        assert (await sign_in(browser, PASSWORD)).status_code == 303


@pytest.mark.parametrize(
    "wrong", [PASSWORD.upper(), PASSWORD + " ", HASH, "x" * 10_000, "\0", "ä" * 900]
)
async def test_nothing_but_the_password_is_the_password(tmp_path: Path, wrong: str) -> None:
    async with running(tmp_path, admin_password_hash=HASH) as world, world.client() as browser:
        response = await sign_in(browser, wrong)
        assert response.status_code == 403 and "set-cookie" not in response.headers


async def test_many_guesses_at_once_are_no_more_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    async def means_of(secret: str) -> None:
        looked_at.append(secret)
        await asyncio.sleep(0)

    async with running(tmp_path, admin_password_hash=HASH) as world, world.client() as stranger:
        monkeypatch.setattr(world.services.admin_secrets, "means_of", means_of)
        tries = [sign_in(stranger, f"wrong-{n}") for n in range(50)]
        statuses = [response.status_code for response in await asyncio.gather(*tries)]
    assert sorted(statuses) == [403] * 10 + [429] * 40
    assert len(looked_at) == 10


async def test_few_passwords_are_hashed_at_once_and_beyond_some_that_wait_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    at_once: list[str] = []

    def slow(_: str, password: str) -> bool:
        at_once.append(password)
        release.wait(10)
        return False

    monkeypatch.setattr(admin_secrets, "verify", slow)
    secrets = AdminSecrets(SecretStr(ADMIN_TOKEN), SecretStr(HASH))
    room = admin_secrets.AT_ONCE + admin_secrets.WAITING
    guesses = [asyncio.create_task(secrets.means_of(f"guess {n}")) for n in range(room)]
    while len(at_once) < admin_secrets.AT_ONCE:
        await asyncio.sleep(0.001)
    with pytest.raises(SignInBusy):
        await secrets.means_of("one too many")
    assert await secrets.means_of(ADMIN_TOKEN) == "token"  # costs nothing
    assert len(at_once) == admin_secrets.AT_ONCE
    release.set()
    assert await asyncio.gather(*guesses) == [None] * room


async def test_the_service_goes_on_while_a_password_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(admin_secrets, "verify", lambda *_: release.wait(10))
    async with running(tmp_path, admin_password_hash=HASH) as world, world.client() as browser:
        signing_in = asyncio.create_task(sign_in(browser, PASSWORD))
        async with world.client() as anna:
            assert (await anna.get("/")).status_code == 200
        assert not signing_in.done()
        release.set()
        assert (await signing_in).status_code == 303


async def test_a_weaker_hash_than_those_of_today_is_told_in_the_log() -> None:
    with capture_logs() as told:
        secrets = AdminSecrets(None, SecretStr(HASH))
    assert [each["do"] for each in told] == ["distros admin password --write"]
    assert await secrets.means_of(PASSWORD) == "password"
    with capture_logs() as told:
        AdminSecrets(None, SecretStr(hashed(PASSWORD)))
    assert told == []


async def test_a_visitors_cookie_is_no_session(world: World) -> None:
    async with world.client() as anna:
        await anna.submit("/launch", data={"distribution": "wiki"})
        anna.cookies.set(sessions.COOKIE, anna.cookies["distros_visitor"])
        assert "Health" not in (await anna.get("/admin/")).text


@pytest.mark.parametrize("path", ["/admin/sign-in", "/admin/sign-out"])
async def test_another_sites_page_can_neither_sign_in_nor_out(world: World, path: str) -> None:
    async with world.client(Origin="http://evil.example") as browser:
        response = await browser.post(path, data={"secret": ADMIN_TOKEN})
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
    for part in ("engine", "proxy", "store", "pressure", "events", "loops", "launch"):
        assert f"{ENGLISH.plain(f'admin.part.{part}')} works" in page
    assert "1 of 20 places is taken." in page and "ready 1 " in page and "free 19 " in page
    assert "What limits it now Nothing: the next launch begins at once." in page
    assert "lists so far 1" in page
    assert "fails since" in page and "&lt;b&gt;no space&lt;/b&gt;" in response.text
    assert "<b>no space" not in response.text
    assert "1 worked" in page and "1 failed" in page  # beside the strip
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
