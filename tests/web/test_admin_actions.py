"""What the admin page does: each with a form, without JavaScript, and in the audit log."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from orchestrator.domain.models import State
from orchestrator.web.admin import ROUTES as ADMIN_ROUTES
from orchestrator.web.admin_actions import ACTIONS
from orchestrator.web.admin_rows import paged
from orchestrator.web.api import OPERATIONS
from orchestrator.web.takedown import hash_of
from tests.support import ADMIN, ADMIN_TOKEN, ANNA, Browser, World, running

pytestmark = pytest.mark.anyio

HERE = {"X-Forwarded-For": "203.0.113.7"}
V1 = "/api/v1"


def paths(method: str) -> list[str]:
    pages = [each for each in ADMIN_ROUTES if isinstance(each, Route)]
    return [each.path for each in pages if method in (each.methods or ())]


class Page:
    """An admin at their browser."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def get(self, path: str) -> str:
        response = await self.browser.get(f"/admin/{path}", follow_redirects=True)
        assert response.status_code == 200, response.text
        main = response.text.partition("<main")[2].partition("</main>")[0]
        return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", main).split()))

    async def do(self, action: str, **fields: str) -> str:
        """The page to which it leads."""
        page = await self.browser.get("/admin/safeguards")
        token = re.search(r'name="form" value="(\w+)"', page.text)
        assert token is not None
        data = {"form": token[1]} | fields
        done = await self.browser.post(f"/admin/{action}", data=data)
        assert done.status_code == 303, done.text
        return await self.get(done.headers["location"].removeprefix("/admin/"))


@pytest.fixture
async def admin(world: World) -> AsyncIterator[Page]:
    async with world.client() as browser:
        await browser.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        yield Page(browser)


async def launch(client: httpx.AsyncClient, **headers: str) -> str:
    done = await client.post(
        f"{V1}/instances",
        json={"distribution": "wiki", "name": "shop"},
        headers={"Prefer": "wait=60"} | headers,
    )
    assert done.status_code == 201, done.text
    instance_id: str = done.json()["id"]
    return instance_id


# -- what it shows ---------------------------------------------------------------------------------


async def test_the_table_says_of_each_instance_what_how_long_and_whose(
    world: World, admin: Page
) -> None:
    async with world.client() as anna:
        instance_id = await launch(anna, **HERE)
    owner = world.services.ledger.live[instance_id].owner
    address = hash_of(world.services, "203.0.113.7")
    page = await admin.get("instances")
    row = f"shop {instance_id} ready wiki 0 seconds 40 minutes {owner[:10]} {address[:8]} "
    assert "1 instance " in page and row in page


async def test_the_table_is_filtered_and_leaves_out_what_nobody_launched(
    world: World, admin: Page
) -> None:
    wiki = await world.launched(ANNA, "wiki", name="shop")
    hidden = await world.launched(ADMIN, "hidden")
    for query, found in (
        ("", {wiki.id, hidden.id}),
        ("?distribution=hidden", {hidden.id}),
        ("?words=SHO", {wiki.id}),
        (f"?words={hidden.id[3:9]}", {hidden.id}),
        ("?words=v-anna&state=ready", {wiki.id}),
        ("?state=queued", set()),
    ):
        page = await admin.get(f"instances{query}")
        assert {each for each in (wiki.id, hidden.id) if each in page} == found, query


@pytest.mark.parametrize(
    ("number", "found", "items"),
    [("1", 1, (0, 200)), ("2", 2, (200, 400)), ("3", 3, (400, 401)), ("99", 3, (400, 401))]
    + [(wrong, 1, (0, 200)) for wrong in ("0", "-1", "x", "", "9" * 5000, "²")],
)
def test_a_page_has_at_most_200_rows(number: str, found: int, items: tuple[int, int]) -> None:
    page = paged(range(401), number)
    assert (page.number, page.pages, page.total) == (found, 3, 401)
    assert page.items == range(*items)


async def test_without_a_session_every_page_leads_to_the_sign_in(world: World) -> None:
    async with world.client() as anna:
        for path in paths("GET"):
            response = await anna.get(path, follow_redirects=True)
            assert response.url.path == "/admin/"
            assert 'action="/admin/sign-in"' in response.text


async def test_nothing_in_its_pages_is_inline_and_their_policy_forbids_it(
    world: World, admin: Page
) -> None:
    instance = await world.launched(ANNA)
    for path in ("", "instances", "safeguards", "record", f"log?id={instance.id}"):
        response = await admin.browser.get(f"/admin/{path}")
        policy = response.headers["content-security-policy"]
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert response.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script>|javascript:", response.text)


async def test_what_others_have_typed_is_text(world: World, admin: Page) -> None:
    script = "<script>alert(1)</script>"
    await admin.do("pause", reason=script)
    for path in ("", "safeguards", "record"):
        assert script not in (await admin.browser.get(f"/admin/{path}")).text
    page = await admin.browser.get("/admin/instances", params={"words": f'">{script}'})
    assert script not in page.text
    found = await admin.browser.get("/admin/find", params={"what": script}, follow_redirects=True)
    assert script not in found.text and "is nothing that is known here" in found.text


async def test_the_log_is_shown_and_an_engine_that_is_away_is_told(
    world: World, admin: Page
) -> None:
    instance = await world.launched(ANNA)
    world.engine.host.containers[world.engine.name_of(instance.id)].output = ["one", "<b>two</b>"]
    assert "one <b>two</b>" in html.unescape(
        " ".join((await admin.browser.get(f"/admin/log?id={instance.id}")).text.split())
    )
    await world.lose_engine()
    assert "cannot be reached" in await admin.get(f"log?id={instance.id}")


# -- what it does ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report",
    ["{id}", "http://shop-{id}.sandbox.localhost:8080/page?x=1", "shop-{id}.sandbox.localhost"],
)
async def test_from_a_report_to_the_end_of_the_site_it_is_one_click(
    world: World, admin: Page, report: str
) -> None:
    async with world.client() as anna:
        bad = await launch(anna, **HERE)
        page = await admin.get(f"find?what={report.format(id=bad)}")
        assert "Stop it and ban" in page and "It was reported as abuse." not in page
        said = await admin.do(
            "take-down-and-ban", kind="instance", key=bad, reason="It was a phishing page."
        )
        assert "1 site was stopped. Banned: visitor and address." in said
        ended = await world.ended(bad)
        assert (ended.reason, ended.detail) == ("removed_by_admin", "It was a phishing page.")
        refused = await anna.post(f"{V1}/instances", json={"distribution": "wiki"})
        assert refused.json()["code"] == "banned"
    async with world.client() as fresh:
        refused = await fresh.post(f"{V1}/instances", json={"distribution": "wiki"}, headers=HERE)
        assert refused.json()["code"] == "banned"


async def test_a_visitor_an_address_and_a_distribution_are_stopped_as_a_whole(
    world: World, admin: Page
) -> None:
    async def two() -> tuple[str, str]:
        async with world.client() as anna:
            return await launch(anna, **HERE), await launch(anna, **HERE)

    hashed = hash_of(world.services, "203.0.113.7")
    for kind in ("visitor", "address", "hash", "distribution"):
        first, second = await two()
        owner = world.services.ledger.live[first].owner
        key = {"visitor": owner, "address": HERE["X-Forwarded-For"], "hash": hashed}.get(
            kind, "wiki"
        )
        page = await admin.get(f"find?what={key}")
        assert first in page and second in page and "Stop all 2 and ban" in page
        said = await admin.do("take-down", kind=kind.replace("hash", "address"), key=key)
        assert "2 sites were stopped." in said
        await world.ended(first)
        await world.ended(second)
    assert await world.services.safety.bans() == ()


async def test_a_ban_by_what_the_table_shows_of_an_address_is_one_of_the_address(
    world: World, admin: Page
) -> None:
    key = hash_of(world.services, "203.0.113.7")
    assert "Banned: address." in await admin.do("ban", kind="address", key=key)
    async with world.client() as anna:
        refused = await anna.post(f"{V1}/instances", json={"distribution": "wiki"}, headers=HERE)
        assert refused.json()["code"] == "banned"
    (ban,) = await world.services.safety.bans()
    assert ban.created_by == "admin page" and key not in await admin.get("safeguards")
    assert "The ban is lifted." in await admin.do("unban", id=ban.id)
    assert await world.services.safety.bans() == ()


async def test_the_kill_switch_is_shown_on_every_page_until_it_is_taken_back(
    world: World, admin: Page
) -> None:
    await admin.do("pause", reason="We move house.")
    assert world.services.safety.paused is not None
    for path in ("", "instances", "safeguards", "record"):
        assert "Launches are paused since" in await admin.get(path)
        assert "by admin page: We move house." in await admin.get(path)
    assert "Launches go on." in await admin.do("resume")
    assert world.services.safety.paused is None
    assert "Launches are paused" not in await admin.get("")


async def test_an_instance_is_renewed(world: World, admin: Page) -> None:
    instance = await world.launched(ANNA)
    world.clock.advance(minutes=10)
    assert "is renewed until" in await admin.do("renew", kind="instance", key=instance.id)
    renewed = world.services.ledger.live[instance.id]
    assert renewed.expires_at - instance.expires_at >= timedelta(minutes=10)


async def test_a_token_is_revoked_after_a_second_step(world: World, admin: Page) -> None:
    async with world.admin() as api:
        made = (await api.post(f"{V1}/tokens", json={"name": "CI", "scope": "launch"})).json()
    assert "CI launch never Revoke…" in await admin.get("safeguards")
    assert "That cannot be undone." in await admin.get(f"token?id={made['id']}")
    assert "The token “CI” is revoked." in await admin.do("revoke-token", id=made["id"])
    assert world.services.tokens.caller(made["token"]) is None


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("renew", {"key": "abcdefghijkm"}, "Nothing was done."),
        ("take-down", {"kind": "owner", "key": "x"}, "The form names nothing to act on."),
        ("take-down", {"kind": "visitor"}, "The form names nothing to act on."),
        ("ban", {"kind": "distribution", "key": "none", "back": "https://evil.example"}, ""),
        ("take-down", {"kind": "visitor", "key": "v-x", "reason": "a\nb"}, "reason: "),
        ("pause", {"reason": " "}, "reason: "),
        ("unban", {"id": "none"}, "Nothing was done."),
        ("revoke-token", {}, "Nothing was done."),
    ],
)
async def test_what_cannot_be_done_is_said(
    world: World, admin: Page, action: str, fields: dict[str, str], said: str
) -> None:
    page = await admin.browser.get("/admin/safeguards")
    token = re.search(r'name="form" value="(\w+)"', page.text)
    assert token is not None
    done = await admin.browser.post(f"/admin/{action}", data={"form": token[1]} | fields)
    assert done.status_code == 303 and done.headers["location"].startswith("/admin/")
    assert said in await admin.get("safeguards")
    assert world.services.safety.paused is None and await world.services.safety.bans() == ()


async def test_an_admins_own_site_is_stopped_but_bans_nobody(world: World, admin: Page) -> None:
    async with world.admin() as api:
        own = await launch(api)
    page = await admin.get(f"find?what={own}")
    assert "Stop it" in page and "ban" not in page.partition("Take action")[2]
    said = await admin.do("take-down-and-ban", kind="instance", key=own)
    assert "No visitor has launched" in said
    assert world.services.ledger.live[own].state is State.READY


# -- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_form_without_the_sessions_own_token_does_nothing(
    world: World, admin: Page, action: str
) -> None:
    async with world.client() as other:
        await other.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        page = (await other.get("/admin/safeguards")).text
    foreign = re.search(r'name="form" value="(\w+)"', page)
    assert foreign is not None
    for token in ("", "é", foreign[1]):
        data = {"form": token, "reason": "Evil.", "kind": "distribution", "key": "wiki"}
        await admin.browser.post(f"/admin/{action}", data=data)
        assert "This page was too old" in await admin.get("safeguards")
    assert world.services.safety.paused is None and await world.services.safety.bans() == ()


@pytest.mark.parametrize("action", ACTIONS)
async def test_neither_strangers_nor_other_sites_pages_can_do_any_of_it(
    world: World, admin: Page, action: str
) -> None:
    evil = {"reason": "Evil.", "kind": "distribution", "key": "wiki"}
    async with world.client() as stranger:
        answer = await stranger.post(f"/admin/{action}", data=evil)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    for forged in ({"Origin": "http://a.sandbox.localhost"}, {"Sec-Fetch-Site": "same-site"}):
        answer = await admin.browser.post(f"/admin/{action}", data=evil, headers=forged)
        assert answer.status_code == 403
    assert world.services.safety.paused is None and await world.services.safety.bans() == ()
    assert [each.action for each in await world.services.safety.audit(9)] == ["sign_in"]


# -- the record ------------------------------------------------------------------------------------


CHANGING = [each for each in OPERATIONS if each.method != "GET"]


@pytest.mark.parametrize("operation", CHANGING, ids=[each.handler.__name__ for each in CHANGING])
async def test_each_change_by_the_api_leaves_an_entry_with_who_and_from_where(
    world: World, operation: Any
) -> None:
    """Whatever is added to the API's table later, too."""
    path = V1 + operation.path.replace("{id}", "abcdefghijkm")
    async with world.admin() as api:
        made = (await api.post(f"{V1}/tokens", json={"name": "ops", "scope": "admin"})).json()
        await api.request(operation.method, path, json={}, headers=HERE)
    ops = world.client(Authorization=f"Bearer {made['token']}", **HERE)
    async with ops:
        await ops.request(operation.method, path, json={})
    entries = await world.services.safety.audit(9)
    assert [(each.actor, each.address, each.action) for each in entries[:2]] == [
        (f"token ops ({made['id']})", "203.0.113.7", operation.handler.__name__),
        ("admin token", "203.0.113.7", operation.handler.__name__),
    ]
    assert len(entries) == 3 and entries[2].action == "create_token"


@pytest.mark.parametrize("path", paths("POST"))
async def test_each_change_by_the_admin_page_leaves_an_entry_with_who_and_from_where(
    world: World, admin: Page, path: str
) -> None:
    """Whatever is added to its routes later, too."""
    page = await admin.browser.get("/admin/safeguards")
    token = re.search(r'name="form" value="(\w+)"', page.text)
    assert token is not None
    data = {"form": token[1], "secret": ADMIN_TOKEN}
    await admin.browser.post(path, data=data, headers=HERE)
    entries = await world.services.safety.audit(9)
    assert len(entries) == 2 and entries[1].action == "sign_in"
    assert (entries[0].actor, entries[0].address) == ("admin page", "203.0.113.7")


@pytest.mark.parametrize("path", ["launch", "instances/{id}/renew", "instances/{id}/delete"])
async def test_a_visitors_form_that_an_admins_token_sends_leaves_an_entry(
    world: World, path: str
) -> None:
    instance = await world.launched(ANNA)
    async with world.admin() as api:
        await api.post(f"/{path.format(id=instance.id)}", data={"distribution": "wiki"})
    (entry,) = await world.services.safety.audit(9)
    assert (entry.actor, entry.result) == ("admin token", "ok")


async def test_who_tries_to_sign_in_is_in_the_record_and_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.web.admin.WRONG_SECRET_PAUSE", 0.0)
    async with world.client(**HERE) as browser:
        for secret in ("wrong", ADMIN_TOKEN):
            await browser.post("/admin/sign-in", data={"secret": secret})
        page = await Page(browser).get("record")
    entries = await world.services.safety.audit(9)
    assert [(each.action, each.target, each.result, each.address) for each in entries] == [
        ("sign_in", "with the token", "ok", "203.0.113.7"),
        ("sign_in", "", "wrong_secret", "203.0.113.7"),
    ]
    assert "admin page 203.0.113.7 sign in wrong secret" in page


async def test_an_action_says_what_it_was_done_to(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.client() as browser:
        await browser.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        admin = Page(browser)
        instance = await world.launched(ANNA)
        await admin.do("take-down", kind="instance", key=instance.id)
        await admin.do("pause", reason="We move house.")
        await admin.do("sign-out")
        told = [(each.action, each.target) for each in await world.services.safety.audit(3)]
    assert told == [
        ("sign_out", ""),
        ("pause_launches", "We move house."),
        ("take_down", f"instance {instance.id}"),
    ]
