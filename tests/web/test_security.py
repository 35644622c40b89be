"""The web's own rules: headers, cookies, forms, hosts, and what gets into the log."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from orchestrator import logs
from tests.support import World, page_of, running

pytestmark = pytest.mark.anyio

V1 = "/api/v1"
TLS: dict[str, Any] = {
    "site_url": "https://distros.example",
    "instances_url": "https://sandbox.example",
}
AT_HOME = {"Host": "distros.example"}


# -- headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", f"{V1}/distributions", f"{V1}/nothing", "/healthz", "/readyz"]
)
async def test_every_answer_is_private_and_may_do_nothing_elsewhere(
    world: World, path: str
) -> None:
    async with world.client() as anna:
        headers = (await anna.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert "form-action" in policy and "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers


async def test_with_tls_browsers_are_told_to_stay_with_it_and_the_cookie_is_this_hosts_alone(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, **TLS) as world, world.client(**AT_HOME) as anna:
        page = await anna.get("/")
        document = (await anna.get("/api/openapi.json")).json()
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-distros_visitor=")
    attributes = {each.strip().lower() for each in cookie.split(";")[1:]}
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
    assert not any(each.startswith("domain") for each in attributes)
    scheme = document["components"]["securitySchemes"]["visitor"]
    assert scheme["name"] == "__Host-distros_visitor"


async def test_with_tls_a_cookie_that_a_sibling_could_set_is_not_read(tmp_path: Path) -> None:
    async with running(tmp_path, **TLS) as world, world.client(**AT_HOME) as anna:
        signed = (await anna.get("/")).headers["set-cookie"].partition(";")[0].partition("=")[2]
        tossed = {"Cookie": f"distros_visitor={signed}"}
        again = (await anna.get("/", headers=tossed)).headers["set-cookie"]
        assert signed not in again


# -- forms -----------------------------------------------------------------------------------------


async def test_a_form_counts_only_with_the_token_of_the_same_visitors_page(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        await ben.get("/")
        form = {"distribution": "wiki"}
        for token in ("", "0" * 64, "é"):
            refused = await ben.post("/launch", data=form | {"token": token})
            assert refused.status_code == 403
            assert "This page was too old" in refused.text
        path = page_of(await anna.submit("/launch", data=form))
        stolen = (await ben.get("/")).text.partition('name="token" value="')[2][:64]
        for target in ("/launch", f"{path}/renew", f"{path}/delete"):
            for data in (form, form | {"token": stolen}):
                assert (await anna.post(target, data=data)).status_code == 403
        assert len(world.services.ledger.live) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://x.sandbox.localhost:8080"},
        {"Origin": "null"},
    ],
)
async def test_a_right_token_does_not_help_another_sites_page(
    world: World, headers: dict[str, str]
) -> None:
    async with world.client() as anna:
        answer = await anna.submit("/launch", data={"distribution": "wiki"}, headers=headers)
    assert answer.status_code == 403
    assert world.services.ledger.live == {}


# -- hosts and redirects ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example.",
        "distros.localhost.evil.example",
        "a b.",
        "",
        "é.",
        "@",
        "[::",
    ],
)
async def test_a_host_that_is_not_ours_is_refused_and_never_redirected_to(
    world: World, host: str
) -> None:
    async with world.client() as anna:
        headers = [(b"Host", host.encode("latin-1", "replace"))]
        answer = await anna.get("/", headers=headers)
    assert answer.status_code == 421
    assert "location" not in answer.headers and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/x.sandbox.localhost.",
        "evil.example#.sandbox.localhost.",
        "evil.example?.sandbox.localhost.",
        "evil.example@x.sandbox.localhost.",
        "distros.localhost:x@evil.example",
        "distros.localhost:8080:evil.example",
        "[::1]evil.example",
    ],
)
async def test_no_host_gets_more_into_a_redirect_than_its_name(world: World, host: str) -> None:
    async with world.client(Host=host) as anna:
        answer = await anna.get("/instances/abcdefghijkm/")
    assert answer.status_code == 421
    assert "location" not in answer.headers


@pytest.mark.parametrize("host", ["distros.example", "distros.example."])
async def test_with_tls_no_redirect_leads_out_of_it(tmp_path: Path, host: str) -> None:
    async with running(tmp_path, **TLS) as world, world.client(Host=host) as anna:
        answer = await anna.get("/instances/abcdefghijkm/")
    assert answer.status_code in (307, 308)
    assert answer.headers["location"].startswith("https://distros.example/instances/")


async def test_forms_lead_only_to_instances_by_their_id(world: World) -> None:
    async with world.client() as anna:
        form = {"distribution": "wiki", "next": "https://evil.example", "url": "//evil.example"}
        answer = await anna.submit("/launch?next=//evil.example", data=form)
        assert answer.headers["location"].startswith("/instances/")


# -- the log ---------------------------------------------------------------------------------------

HOSTILE = [
    "a\nb",
    'x"}\n{"event":"forged","level":"info"',
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\r\nforged",
    "\u2028\u2029\u0085",
    "\x00\x7f\x9b31m",
]


@pytest.fixture(params=["json", "console"])
def written(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[io.StringIO]:
    """What the service logs, as the renderer of this format writes it."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    before = logging.getLogger().handlers
    structlog.reset_defaults()
    logs.configure(request.param, "info")
    yield stream
    logging.getLogger().handlers = before
    structlog.reset_defaults()


async def test_nothing_that_a_stranger_sends_breaks_a_line_or_reaches_a_terminal(
    written: io.StringIO, tmp_path: Path
) -> None:
    async with running(tmp_path) as world, world.client() as anna:
        for text in HOSTILE:
            quoted = "".join(f"%{byte:02X}" for byte in text.encode())
            await anna.get(f"/{quoted}")
            await anna.get(f"{V1}/instances/{quoted}")
            await anna.get("/", headers=[(b"User-Agent", text.encode())])
            await anna.post(f"{V1}/instances", json={"distribution": text, "name": text})
            await anna.post(f"{V1}/instances", json={"distribution": "wiki", "name": text})
            await anna.get("/", headers=[(b"Host", text.encode())])
        async with world.admin() as admin:
            await admin.delete(f"{V1}/tokens/%0A%1B%5B31m")
    text = re.sub(r"\x1b\[\d+m", "", written.getvalue())  # our own colours
    assert "tokens/\\n\\x1b[31m" in text.replace("\\\\", "\\")
    assert [character for character in text if ord(character) in CONTROLS] == []
    for line in text.split("\n")[:-1]:
        if line.startswith("{"):
            assert json.loads(line)["event"] != "forged"
        else:
            assert line.startswith("20"), line


def test_a_traceback_shows_no_values(written: io.StringIO) -> None:
    def fail(cookie: str) -> None:
        raise RuntimeError(f"{len(cookie)} characters are too many")

    try:
        fail(CANARY)
    except RuntimeError:
        structlog.get_logger().exception("broken")
    text = written.getvalue()
    assert "characters are too many" in text and CANARY not in text


CANARY = "4f1c" * 6
CONTROLS = {*range(32), *range(127, 160), 0x2028, 0x2029} - {ord("\n")}
