"""The catalogue: cards, search and category, a distribution's own pages, its badge and recipe."""

import asyncio
import io
import re
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.catalog import Catalog
from orchestrator.domain import at_home
from orchestrator.domain.weaker import Weaker
from orchestrator.web import words
from tests.forty import forty
from tests.support import ANNA, ENGLISH, WIKI, World, running, with_pool

pytestmark = pytest.mark.anyio

SHOP = WIKI.model_copy(
    update={
        "slug": "shop",
        "name": "Löwen <Shop>",
        "summary": "Sells things.",
        "category": "shop",
        "inside": ("A till",),
        "at_home": True,
    }
)
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 picture"


def names(html: str) -> list[str]:
    return re.findall(r'id="pick-([\w-]+)"', html)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a catalogue on disk, with one distribution."""
    folder = tmp_path / "distributions" / "shop"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / ".secret").write_text("nobody's business")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "files").mkdir()
    (folder / "files" / "start").write_text("#!/bin/sh\n")
    (folder / "files" / "start").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["shop", "wiki"]),
        ("?q=TESTS+wiki", ["wiki"]),
        ("?q=l%C3%B6wen", ["shop"]),
        ("?q=till", ["shop"]),
        ("?category=shop", ["shop"]),
        ("?category=shop&q=wiki", []),
        ("?category=nonsense", []),
    ],
)
async def test_search_and_category_work_as_a_form(
    tmp_path: Path, query: str, found: list[str]
) -> None:
    async with running(tmp_path, catalog=Catalog([WIKI, SHOP])) as world, world.client() as anna:
        html = (await anna.get(f"/{query}")).text
    assert names(html) == found
    assert ("Nothing here is called that. <a" in html) == (not found)


async def test_what_is_looked_for_is_shown_as_text(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=Catalog([WIKI, SHOP])) as world, world.client() as anna:
        html = (await anna.get('/?q="><script>alert(1)</script>')).text
    assert "<script>" not in html and "&lt;script&gt;" in html


async def test_a_card_says_whether_one_is_warm_and_when_it_was_last_seen_working(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, catalog=with_pool(1, 1)) as world, world.client() as anna:
        while not world.services.pool.has_warm("wiki"):
            await asyncio.sleep(0.01)
        html = (await anna.get("/")).text
    assert "Ready at once" in html and "Last seen working just now" in html


async def test_a_card_says_how_long_a_start_takes_as_a_rule(world: World) -> None:
    async with world.client() as anna:
        assert "Ready in about" not in (await anna.get("/")).text
        await world.launched()
        world.clock.advance(minutes=7)
        html = (await anna.get("/")).text
    assert "Ready in about a second" in html and "Last seen working 7 minutes ago" in html


async def test_after_a_restart_it_is_still_known_when_it_last_worked(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        instance = await world.launched()
        await world.services.leases.delete(ANNA, instance.id)
        await world.ended(instance.id)
    async with running(tmp_path) as world:
        assert world.services.verified.last("wiki") == instance.ready_at
        assert world.services.verified.last("missing") is None


async def test_a_distribution_has_a_page_that_creates_a_site(world: World) -> None:
    async with world.client() as anna:
        for path in ("/d/wiki", "/launch/wiki"):
            response = await anna.get(path)
            assert response.status_code == 200
            assert '<form class="create" method="post" action="/launch"' in response.text
            assert '<input type="hidden" name="distribution" value="wiki"' in response.text


@pytest.mark.parametrize("slug", ["hidden", "nope", "WIKI"])
async def test_what_is_not_listed_has_no_pages(world: World, slug: str) -> None:
    async with world.client() as anna:
        for path in (f"/d/{slug}", f"/launch/{slug}", f"/d/{slug}/badge.svg"):
            assert (await anna.get(path)).status_code == 404
        for path in (f"/d/{slug}/recipe.tar.gz", f"/d/{slug}/screenshot/0"):
            assert (await anna.get(path)).status_code == 404


async def test_the_pages_of_what_is_not_here_say_so_and_offer_no_button(world: World) -> None:
    async with world.client() as anna:
        for path in ("/d/missing", "/launch/missing"):
            html = (await anna.get(path)).text
            assert "Not on this server yet" in html
            assert re.search(r'<button class="primary"[^>]* disabled>', html)


async def test_opening_the_page_behind_a_button_creates_nothing(world: World) -> None:
    async with world.client() as anna:
        await anna.get("/launch/wiki")
        response = await anna.post("/launch/wiki", data={"distribution": "wiki"})
    assert response.status_code == 405
    assert world.services.ledger.live == {}


async def test_the_page_behind_a_button_cannot_be_framed(world: World) -> None:
    async with world.client() as anna:
        policy = (await anna.get("/launch/wiki")).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy


async def test_the_badge_is_an_svg_that_may_be_kept_for_a_while(tmp_path: Path) -> None:
    async with running(tmp_path, catalog=Catalog([SHOP])) as world, world.client() as anna:
        response = await anna.get("/d/shop/badge.svg")
        assert response.headers["content-type"] == "image/svg+xml"
        assert response.headers["cache-control"] == "public, max-age=300"
        assert "Try Löwen &lt;Shop&gt;" in response.text and "<Shop>" not in response.text
        html = (await anna.get("/d/shop")).text
    assert "[![Try Löwen &lt;Shop&gt;](http://distros.localhost:8080/d/shop/badge.svg)]" in html


async def test_a_screenshot_is_shown_and_kept_for_a_year(tmp_path: Path, folder: Path) -> None:
    (folder / "screenshot.webp").write_bytes(WEBP)
    catalog = Catalog([SHOP], folder.parent)
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        html = (await anna.get("/")).text
        (url,) = re.findall(r'src="(/d/shop/screenshot/\w+)" width="800" height="500"', html)
        response = await anna.get(url)
        assert (response.content, response.headers["content-type"]) == (WEBP, "image/webp")
        assert "immutable" in response.headers["cache-control"]
        old = await anna.get("/d/shop/screenshot/old")
        assert (old.content, old.headers["cache-control"]) == (WEBP, "no-cache")


async def test_a_screenshot_that_is_too_large_is_left_out(tmp_path: Path, folder: Path) -> None:
    (folder / "screenshot.webp").write_bytes(WEBP * 10_000)
    catalog = Catalog([SHOP], folder.parent)
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        assert "<img" not in (await anna.get("/")).text


async def test_the_recipe_is_the_folder_without_hidden_files_and_links(
    tmp_path: Path, folder: Path
) -> None:
    catalog = Catalog([SHOP], folder.parent)
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        packed = (await anna.get("/d/shop/recipe.tar.gz")).content
        assert packed == (await anna.get("/d/shop/recipe.tar.gz")).content
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert {each.name: oct(each.mode) for each in tar} == {
            "Dockerfile": "0o644",
            "files": "0o755",
            "files/start": "0o755",
        }


async def test_without_at_home_nobody_gets_the_folder_or_the_commands(
    tmp_path: Path, folder: Path
) -> None:
    catalog = Catalog([SHOP.model_copy(update={"at_home": False})], folder.parent)
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        assert (await anna.get("/d/shop/recipe.tar.gz")).status_code == 404
        assert "docker run" not in (await anna.get("/d/shop")).text


async def test_the_page_tells_the_port_and_the_password_of_its_commands(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_home, "PORT", 8181)
    monkeypatch.setattr(at_home, "PLACEHOLDER", "your-own")
    catalog = Catalog([SHOP], folder.parent)
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        html = (await anna.get("/d/shop")).text
    assert "Then open http://localhost:8181." in html and "--publish 8181:" in html
    assert "your-own" in html.partition("Then open")[2].partition("</p>")[0]


def test_the_commands_run_the_image_as_an_instance_is_run() -> None:
    distribution = SHOP.model_copy(
        update={
            "environment": {"GREETING": "it's me"},
            "tmpfs": {"/cache": 64 * 1024**2},
            "image": SHOP.image.model_copy(update={"user": "33:34"}),
        }
    )
    build, run = at_home.commands(distribution, "https://distros.example/d/shop/recipe.tar.gz")
    assert build == (
        "curl --fail --location https://distros.example/d/shop/recipe.tar.gz"
        " | docker build --tag test/wiki:1 -"
    )
    folder = "rw,nosuid,nodev,noexec,mode=1777,size={},uid=33,gid=34"
    assert run == (
        "docker run --rm --name shop --publish 8080:8080 --init --cap-drop ALL"
        " --security-opt no-new-privileges --ipc private --shm-size 16m --ulimit core=0"
        " --user 33:34 --read-only --memory 256m --memory-swap 256m --cpus 1 --pids-limit 128"
        f" --tmpfs /tmp:{folder.format('4m')} --tmpfs /run:{folder.format('1m')}"
        f" --tmpfs /cache:{folder.format('64m')}"
        """ --env 'GREETING=it'"'"'s me' --env ADMIN_PASSWORD=choose-a-password test/wiki:1"""
    )


def test_the_commands_are_weaker_only_where_the_distribution_asks_for_it() -> None:
    weaker = Weaker(
        writable_root="it writes all over",
        root_user="it starts as root",
        capabilities={"CHOWN": "it gives its files away"},
    )
    distribution = SHOP.model_copy(update={"weaker": weaker})
    _, run = at_home.commands(distribution, "https://distros.example/d/shop/recipe.tar.gz")
    assert "--cap-add CHOWN" in run
    assert "--read-only" not in run and "--tmpfs" not in run


async def test_the_front_page_with_forty_distributions_is_light(tmp_path: Path) -> None:
    """HTML, styles and modules together, as they travel: below 100 kB."""
    catalog = forty(tmp_path / "distributions")
    async with running(tmp_path, catalog=catalog) as world, world.client() as anna:
        page = await anna.get("/")
        urls = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        answers = [page, *[await anna.get(url) for url in urls]]
    assert len(names(page.text)) == 40
    assert sum(int(each.headers["content-length"]) for each in answers) < 30_000


def test_how_long_ago_reads_well() -> None:
    told = [words.ago(ENGLISH, timedelta(seconds=s)) for s in (-5, 59, 60, 7200, 86400 * 3)]
    assert told == ["just now", "just now", "1 minute ago", "2 hours ago", "3 days ago"]


@pytest.mark.parametrize("address", ["/", "/d/shop", "/launch/shop"])
async def test_every_page_with_a_launch_form_can_launch_by_itself(
    tmp_path: Path, folder: Path, address: str
) -> None:
    """A newcomer's first page gives them the cookie, the token and the captcha's fields."""
    shop = Catalog([SHOP], folder.parent)
    async with running(tmp_path, catalog=shop, captcha="altcha") as world, world.client() as anna:
        html = (await anna.get(address)).text
        form = html.partition('action="/launch"')[2].partition("</form>")[0]
        sent = dict(re.findall(r'name="(token|patience)" value="([^"]+)"', form))
        assert sent.keys() == {"token", "patience"} and 'name="captcha"' in form
        assert "js/captcha.js" in html and "Without JavaScript it takes" in form
        launched = await anna.post("/launch", data=sent | {"distribution": "shop"})
    assert launched.status_code == 303


@pytest.mark.parametrize("address", ["/", "/d/shop", "/launch/shop"])
async def test_where_nothing_can_be_created_every_such_page_says_why(
    tmp_path: Path, folder: Path, address: str
) -> None:
    shop = Catalog([SHOP], folder.parent)
    async with running(tmp_path, catalog=shop) as world, world.client() as anna:
        await world.services.safety.pause("We are moving.", "admin")
        html = (await anna.get(address)).text
        assert "No new sites can be created right now:</strong> We are moving." in html
        assert re.search(r"<button [^>]*disabled><span data-says>Create site</span>", html)
        await world.services.safety.resume("admin")
        await world.lose_engine()
        html = (await anna.get(address)).text
    assert "The server that runs the sites does not answer." in html
    assert re.search(r"<button [^>]*disabled><span data-says>Create site</span>", html)
