"""What is the same for everybody is compressed; what is one visitor's never is (BREACH)."""

import gzip
import re
from pathlib import Path

import httpx
import pytest

from orchestrator.settings import ROOT
from orchestrator.web.compression import compressed, joined, stored
from tests.support import Browser, World, page_of, running

pytestmark = pytest.mark.anyio

STATIC = ROOT / "frontend" / "static"


async def raw(client: Browser, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as it travels."""
    async with client.stream("GET", path, headers=headers) as response:
        return response, b"".join([each async for each in response.aiter_raw()])


@pytest.mark.parametrize("size", [0, 1, 0xFFFF, 0x10000, 200_000])
def test_a_stream_of_parts_is_a_gzip_stream(size: int) -> None:
    parts = [compressed(b"<p>" * 1000), stored(b"x" * size), compressed(b"<p>" * 1000)]
    stream = joined(parts)
    assert gzip.decompress(stream) == b"".join(part.plain for part in parts)
    assert b"x" * min(size, 0xFFFF) in stream


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0, *", False),
        ("gzip;q=much", False),
    ],
)
async def test_only_who_accepts_gzip_gets_it(world: World, header: str, accepted: bool) -> None:
    async with world.client() as anna:
        address = f"/static/{'0' * 12}/css/base.css"
        for path in ("/", address):
            response, _ = await raw(anna, path, **{"Accept-Encoding": header})
            assert ("content-encoding" in response.headers) is accepted
            assert response.headers["vary"] == "Accept-Encoding"


async def test_the_front_page_says_the_same_in_either_encoding(world: World) -> None:
    async with world.client() as anna:
        await anna.get("/")
        _, plain = await raw(anna, "/", **{"Accept-Encoding": "identity"})
        packed, body = await raw(anna, "/", **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-length"] == str(len(body)) and len(body) < 6_000
    told = [re.sub(rb'data-now="[^"]+"', b"", each) for each in (plain, gzip.decompress(body))]
    assert told[0] == told[1] and b"</html>" in told[0]


async def test_what_is_a_visitors_own_travels_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, captcha="altcha") as world, world.client() as anna:
        token = await anna.form_token()
        _, body = await raw(anna, "/")
    assert token.encode() in body
    patience = re.search(rb'name="patience" value="([^"]+)"', gzip.decompress(body))
    assert patience and patience[1] in body
    assert b'name="token"' not in body and b"<h1>" not in body  # these are compressed


async def test_ones_sites_travel_as_they_are_and_are_in_nobody_elses_page(world: World) -> None:
    async with world.client() as anna, world.client() as ben:
        path = page_of(await anna.submit("/launch", data={"distribution": "wiki", "name": "mine"}))
        await world.until(path.rpartition("/")[2], lambda now: not now.state.pending)
        _, annas = await raw(anna, "/")
        _, bens = await raw(ben, "/")
        tokens = {await anna.form_token(), await ben.form_token()}
    assert f'href="{path}"'.encode() in annas and b"mine" in annas
    assert path not in gzip.decompress(bens).decode() and b"mine" not in gzip.decompress(bens)
    assert len(tokens) == 2


async def test_the_length_says_nothing_of_what_stands_in_it(world: World) -> None:
    """Whatever the token is, and whatever else the page has of it."""
    lengths = set()
    for _ in range(5):
        async with world.client() as visitor:
            await visitor.get("/")
            _, body = await raw(visitor, "/")
            lengths.add(len(body))
    assert len(lengths) == 1


@pytest.mark.parametrize("query", ["?q=wiki", "?distribution=wiki", "?category=wiki", "?x"])
async def test_what_repeats_the_address_is_not_compressed_nor_kept(
    world: World, query: str
) -> None:
    async with world.client() as anna:
        response, body = await raw(anna, f"/{query}")
        assert "content-encoding" not in response.headers
        assert f'value="/{query}"' in body.decode()
        assert query not in (await anna.get("/")).text


async def test_no_page_of_a_site_is_compressed_nor_are_its_events(world: World) -> None:
    async with world.client() as anna:
        path = page_of(await anna.submit("/launch", data={"distribution": "wiki"}))
        instance_id = path.rpartition("/")[2]
        await world.until(instance_id, lambda now: not now.state.pending)
        await anna.submit(f"{path}/delete")
        await world.ended(instance_id)
        api = f"/api/v1/instances/{instance_id}"
        for address in (path, "/sites", "/d/wiki", api, f"{api}/events", f"{api}/logs"):
            response, _ = await raw(anna, address)
            assert "content-encoding" not in response.headers, address


async def test_the_prepared_page_changes_with_what_it_shows(world: World) -> None:
    async with world.client() as anna:
        assert "0 sites" in (await anna.get("/")).text
        await world.launched()
        assert "1 site " in (await anna.get("/")).text.replace("</p>", " ")
        await world.services.safety.pause("We are moving.", "admin")
        assert "We are moving." in (await anna.get("/")).text
        await world.services.safety.resume("admin")
        assert "We are moving." not in (await anna.get("/")).text
        german = await anna.get("/", headers={"Accept-Language": "de"})
        assert '<html lang="de"' in german.text and '<html lang="en"' in (await anna.get("/")).text
        world.clock.advance(minutes=3)
        assert "Last seen working 3 minutes ago" in (await anna.get("/")).text
        await world.lose_engine()
        assert "Docker Engine" not in (await anna.get("/")).text  # visitors' words
        assert 'class="complaint" role="status"' in (await anna.get("/")).text


async def test_each_encoding_of_a_file_is_known_by_its_own_etag(world: World) -> None:
    address = f"/static/{'0' * 12}/css/base.css"
    async with world.client() as anna:
        plain, body = await raw(anna, address, **{"Accept-Encoding": "identity"})
        packed, packed_body = await raw(anna, address, **{"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed_body) == body == (STATIC / "css" / "base.css").read_bytes()
        tags = plain.headers["etag"], packed.headers["etag"]
        assert tags[0] != tags[1]
        for encoding, tag in zip(("identity", "gzip"), tags, strict=True):
            for known, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200)):
                headers = {"Accept-Encoding": encoding, "If-None-Match": known}
                response, again = await raw(anna, address, **headers)
                assert (response.status_code, bool(again)) == (status, status == 200)
                assert response.headers["etag"] == tag
                assert response.headers["vary"] == "Accept-Encoding"
        other = {"Accept-Encoding": "identity", "If-None-Match": tags[1]}
        assert (await raw(anna, address, **other))[0].status_code == 200


async def test_stylesheets_may_come_as_one(world: World) -> None:
    async with world.client() as anna:
        response = await anna.get("/static/0/css/tokens+base.css")
        parts = [(STATIC / "css" / f"{name}.css").read_bytes() for name in ("tokens", "base")]
        assert response.content == b"".join(parts)
        assert response.headers["content-type"] == "text/css; charset=utf-8"
        for wrong in ("tokens+nosuch", "tokens+tokens", "tokens+", "+", "tokens+../js/clock"):
            assert (await anna.get(f"/static/0/css/{wrong}.css")).status_code == 404
        assert (await anna.get("/static/0/js/clock+copy.js")).status_code == 404
