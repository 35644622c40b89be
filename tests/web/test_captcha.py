"""Spam protection: the proof of work, patience without JavaScript, and the services outside."""

import asyncio
import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from orchestrator.service.captcha import proof_of_work, siteverify
from orchestrator.settings import InvalidSettings
from tests.support import Browser, running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("patient_store")]

V1 = "/api/v1"
EASY: dict[str, Any] = {"captcha": "altcha", "captcha_complexity": 1000}


def solved(challenge: dict[str, Any], **changes: Any) -> str:
    for number in range(challenge["maxnumber"] + 1):
        text = f"{challenge['salt']}{number}"
        if hashlib.sha256(text.encode()).hexdigest() == challenge["challenge"]:
            proof = challenge | {"number": number} | changes
            return base64.b64encode(json.dumps(proof).encode()).decode()
    raise AssertionError("there is no such number")


async def proof(client: httpx.AsyncClient, **changes: Any) -> str:
    return solved((await client.get(f"{V1}/captcha")).json()["challenge"], **changes)


async def launch(client: httpx.AsyncClient, captcha: str = "") -> httpx.Response:
    return await client.post(f"{V1}/instances", json={"distribution": "wiki", "captcha": captcha})


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "launched")


async def test_a_launch_with_a_proof_is_let_through_and_one_without_is_not(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        assert outcome(await launch(anna)) == (403, "captcha_required")
        assert outcome(await launch(anna, await proof(anna))) == (202, "launched")


async def test_nothing_is_spent_on_a_launch_without_a_proof(tmp_path: Path) -> None:
    async with (
        running(tmp_path, launches_per_visitor=1, **EASY) as world,
        world.client() as anna,
    ):
        for _ in range(3):
            await launch(anna, "nonsense")
        assert {name for name, _ in world.engine.calls} <= {"prepare", "list", "image_id"}
        assert outcome(await launch(anna, await proof(anna))) == (202, "launched")


async def test_a_token_needs_no_proof(tmp_path: Path) -> None:
    async with running(tmp_path, **EASY) as world, world.admin() as admin:
        assert outcome(await launch(admin)) == (202, "launched")


async def test_of_a_hundred_replays_at_once_one_succeeds(tmp_path: Path) -> None:
    async with running(tmp_path, capacity=200, **EASY) as world, world.client() as anna:
        the_same = await proof(anna)
        answers = await asyncio.gather(*(launch(anna, the_same) for _ in range(100)))
    codes = [outcome(answer) for answer in answers]
    assert codes.count((202, "launched")) == 1
    assert codes.count((403, "captcha_failed")) == 99


async def test_a_proof_that_is_written_in_another_way_is_still_the_same(tmp_path: Path) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        challenge = (await anna.get(f"{V1}/captcha")).json()["challenge"]
        assert outcome(await launch(anna, solved(challenge))) == (202, "launched")
        for changed in (
            solved(challenge, more="fields"),
            solved(challenge, salt=challenge["salt"].rstrip("&")),
            solved(challenge) + "\n",
        ):
            assert outcome(await launch(anna, changed))[0] in (403, 422)
        assert len(world.engine.host.containers) <= 1


async def test_a_proof_expires(tmp_path: Path) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        old = await proof(anna)
        world.clock.advance(minutes=11)
        assert outcome(await launch(anna, old)) == (403, "captcha_failed")


@pytest.mark.parametrize(
    "forge",
    [
        lambda it: it | {"number": it["number"] + 1},
        lambda it: it | {"signature": "0" * 64},
        lambda it: it | {"salt": it["salt"].replace("expires=1", "expires=9")},
        lambda it: it | {"salt": it["salt"] + "&expires=9999999999"},
        lambda it: it | {"salt": None},
        lambda it: it | {"algorithm": "SHA-1"},
        lambda it: it | {"number": {"a": 1}},
        lambda it: {},
        lambda it: 7,
        lambda it: [1, 2],
        lambda it: None,
    ],
)
async def test_a_forged_proof_is_refused(
    tmp_path: Path, forge: Callable[[dict[str, Any]], object]
) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        right = json.loads(base64.b64decode(await proof(anna)))
        forged = base64.b64encode(json.dumps(forge(right)).encode()).decode()
        assert outcome(await launch(anna, forged)) == (403, "captcha_failed")


@pytest.mark.parametrize("nonsense", ["é", "=", "e30=", "patience.", "patience.1.2.3", "☃" * 50])
async def test_nonsense_is_refused(tmp_path: Path, nonsense: str) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        assert outcome(await launch(anna, nonsense)) == (403, "captcha_failed")


async def test_another_installations_proof_is_worth_nothing(tmp_path: Path) -> None:
    async with (
        running(tmp_path, secret_key="t" * 32, **EASY) as other,
        other.client() as there,
        running(tmp_path / "own", **EASY) as world,
        world.client() as anna,
    ):
        assert outcome(await launch(anna, await proof(there))) == (403, "captcha_failed")


async def test_a_repetition_with_the_same_key_needs_no_second_proof(tmp_path: Path) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        anna.headers["Idempotency-Key"] = "once"
        the_same = await proof(anna)
        first, second = await launch(anna, the_same), await launch(anna, the_same)
        assert first.json()["id"] == second.json()["id"]


# -- without JavaScript ----------------------------------------------------------------------------


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_of_work, "PATIENCE", 0.3)


async def form_of(anna: Browser) -> dict[str, str]:
    html = (await anna.get("/")).text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
    return fields | {"distribution": "wiki"}


@pytest.mark.usefixtures("short_patience")
async def test_a_form_without_javascript_is_held_back_and_then_let_through_once(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        form = await form_of(anna)
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(anna.post("/launch", data=form) for _ in range(20)))
        assert asyncio.get_running_loop().time() - began > 0.2
        assert sorted(answer.status_code for answer in answers) == [303] + [403] * 19
        refused = next(answer for answer in answers if answer.status_code == 403)
        assert "Please try once more: the page has a new one." in refused.text
        again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', refused.text))
        assert (await anna.post("/launch", data=form | again)).status_code == 303


@pytest.mark.usefixtures("short_patience")
async def test_from_one_address_only_so_many_come_without_javascript(tmp_path: Path) -> None:
    async with running(tmp_path, launches_without_javascript=2, **EASY) as world:
        statuses = []
        for _ in range(3):
            async with world.client() as anna:
                page = await anna.post("/launch", data=await form_of(anna))
                statuses.append(page.status_code)
        assert statuses == [303, 303, 429]
        assert "or at once with JavaScript" in page.text
        async with world.client() as ben:
            assert outcome(await launch(ben, await proof(ben))) == (202, "launched")


async def test_a_forms_patience_ends_with_the_day(tmp_path: Path) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        form = await form_of(anna)
        world.clock.advance(hours=3)
        assert (await anna.post("/launch", data=form)).status_code == 403


# -- services outside ------------------------------------------------------------------------------


@dataclass
class Provider:
    """Speaks the protocol of all three services."""

    url: str
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    answer: object = field(
        default_factory=lambda: {"success": True, "hostname": "distros.localhost"}
    )
    status: int = 200
    silent: threading.Event = field(default_factory=threading.Event)  # cleared: never answers


@pytest.fixture
def provider() -> Iterator[Provider]:
    with _served() as found:
        yield found


@contextmanager
def _served() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            made.asked.append(parse_qs(form))
            made.silent.wait(10)
            body = json.dumps(made.answer).encode()
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Provider(f"http://127.0.0.1:{server.server_address[1]}/siteverify")
    made.silent.set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()


def service(provider: Provider, kind: str = "turnstile") -> dict[str, Any]:
    return {
        "captcha": kind,
        "captcha_site_key": "site-key",
        "captcha_secret": "canary-secret",
        "captcha_verify_url": provider.url,
    }


@pytest.mark.parametrize("kind", ["recaptcha", "hcaptcha", "turnstile"])
async def test_a_services_token_is_checked_with_it_and_counts_once(
    tmp_path: Path, provider: Provider, kind: str
) -> None:
    async with running(tmp_path, **service(provider, kind)) as world, world.client() as anna:
        assert outcome(await launch(anna)) == (403, "captcha_required")
        assert provider.asked == []
        assert outcome(await launch(anna, "from-the-widget")) == (202, "launched")
        assert provider.asked == [{"secret": ["canary-secret"], "response": ["from-the-widget"]}]
        answers = await asyncio.gather(*(launch(anna, "another") for _ in range(30)))
        assert [outcome(each)[0] for each in answers].count(202) == 1


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        ({"success": False, "error-codes": ["timeout-or-duplicate"]}, 200, (403, "captcha_failed")),
        ({"success": "true", "hostname": "distros.localhost"}, 200, (403, "captcha_failed")),
        ({"success": True, "hostname": "evil.example"}, 200, (403, "captcha_failed")),
        ({"success": True}, 200, (403, "captcha_failed")),
        (["success"], 200, (503, "captcha_unavailable")),
        ({"success": True, "hostname": "distros.localhost"}, 500, (503, "captcha_unavailable")),
    ],
)
async def test_whatever_is_no_clear_yes_is_a_no(
    tmp_path: Path, provider: Provider, answer: object, status: int, expected: tuple[int, str]
) -> None:
    provider.answer, provider.status = answer, status
    async with running(tmp_path, **service(provider)) as world, world.client() as anna:
        refused = await launch(anna, "token")
        assert outcome(refused) == expected
        assert status != 500 or refused.headers["retry-after"]
        assert world.engine.host.containers == {}


async def test_a_service_that_is_silent_or_away_lets_nobody_through(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert siteverify.DEADLINE == 3.0
    monkeypatch.setattr(siteverify, "DEADLINE", 0.2)
    provider.silent.clear()
    async with running(tmp_path, **service(provider)) as world, world.client() as anna:
        assert outcome(await launch(anna, "token")) == (503, "captcha_unavailable")
    nowhere = service(Provider("http://127.0.0.1:9/"))
    async with running(tmp_path, **nowhere) as world, world.client() as anna:
        assert outcome(await launch(anna, "token")) == (503, "captcha_unavailable")


async def test_the_page_brings_the_services_script_and_lets_nothing_else_in(
    tmp_path: Path, provider: Provider
) -> None:
    async with running(tmp_path, **service(provider)) as world, world.client() as anna:
        page = await anna.get("/")
        captcha = (await anna.get(f"{V1}/captcha")).json()
        form = await form_of(anna) | {"cf-turnstile-response": "from-the-widget"}
        assert (await anna.post("/launch", data=form)).status_code == 303
    assert captcha == {"kind": "turnstile", "challenge": None, "site_key": "site-key"}
    assert '<div class="cf-turnstile" data-sitekey="site-key">' in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' https://challenges.cloudflare.com;" in policy
    assert "frame-src https://challenges.cloudflare.com;" in policy
    assert "unsafe" not in policy and "canary-secret" not in page.text


async def test_a_service_without_its_keys_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="DISTROS_CAPTCHA_SITE_KEY"):
        async with running(tmp_path, captcha="hcaptcha"):
            pass


async def test_by_default_the_page_asks_nobody_outside(tmp_path: Path) -> None:
    async with running(tmp_path, **EASY) as world, world.client() as anna:
        page = await anna.get("/")
    assert re.findall(r'src="(?!/static/)', page.text) == []
    assert "https:" not in page.headers["content-security-policy"]
