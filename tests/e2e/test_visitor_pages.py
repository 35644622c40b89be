"""The visitors' pages on the real stack: a distribution's own page, sharing, all one's sites."""

import re
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .browser import Visitor
from .stack import Stack


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def visitor(request: pytest.FixtureRequest, stack: Stack, browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor.with_or_without_scripts(stack, browser, request.param)
    yield visitor
    visitor.leave()
    assert visitor.complaints == []


def test_a_newcomer_finds_names_creates_shares_and_deletes(visitor: Visitor) -> None:
    page, site = visitor.page, visitor.stack.site_url
    page.goto(site)
    page.get_by_role("searchbox").fill("plain text")
    page.keyboard.press("Enter")
    expect(page.locator(".card:visible")).to_have_count(1)
    page.get_by_role("link", name="What is inside").locator("visible=true").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("DokuWiki")
    page.get_by_label("Name your site").fill("Team Notes")
    visitor.press_create()
    instance_id = visitor.arrive("team-notes")
    page = visitor.page
    expect(page.locator("body")).to_contain_text("Team notes")

    page.goto(f"{site}/sites")
    article = page.locator(f'[data-site="{instance_id}"]')
    article.get_by_text("Share", exact=True).click()
    link = article.locator("code", has_text="/s/").inner_text()
    shared = visitor.stack.get(link)
    assert shared.status_code == 200 and f"team-notes-{instance_id}" in shared.text
    assert visitor.stack.show(instance_id)["login"]["password"] not in shared.text

    article.get_by_text("Delete this site").click()
    article.get_by_role("button", name="Delete it now").click()
    expect(page.get_by_text("Nothing of it is left.")).to_be_visible()
    assert visitor.stack.get(link).status_code == 410


def test_a_site_is_taken_away_through_the_guard_and_the_proxy(
    visitor: Visitor, tmp_path: Path
) -> None:
    instance_id = visitor.create("MediaWiki", "team-notes")
    page = visitor.page
    page.goto(f"{visitor.stack.site_url}/instances/{instance_id}")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download a copy").click()
    downloading.value.save_as(tmp_path / "copy.tar.gz")
    with tarfile.open(tmp_path / "copy.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    readme = (tmp_path / "README.txt").read_text()
    assert f"team-notes-{instance_id}" in readme and "docker exec -i mediawiki tar" in readme
    with sqlite3.connect(tmp_path / "var/lib/mediawiki/data/wiki.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with visitor.stack.api() as admin:
        assert admin.get(f"/instances/{instance_id}/take-away").status_code == 404


def test_the_page_behind_a_button_needs_one_click(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.stack.site_url}/launch/dokuwiki")
    visitor.press_create()
    visitor.arrive()
    expect(visitor.page.locator("body")).to_contain_text("DokuWiki")


def test_cards_have_screenshots_and_badges_are_pictures(stack: Stack) -> None:
    html = stack.get(stack.site_url).text
    pictures = re.findall(r'src="(/d/\w+/screenshot/\w+)"', html)
    assert len(pictures) >= 2
    for picture in pictures:
        answer = stack.get(stack.site_url + picture)
        assert answer.headers["content-type"] == "image/webp" and len(answer.content) < 60_000
    badge = stack.get(f"{stack.site_url}/d/dokuwiki/badge.svg")
    assert badge.headers["content-type"] == "image/svg+xml"


def test_what_is_everybodys_travels_compressed_through_the_proxy(stack: Stack) -> None:
    page = stack.get(stack.site_url, headers={"Accept-Encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip" and 'name="token"' in page.text
    styles = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
    assert len(styles) == 1
    for address, encoding in ((styles[0], "gzip"), ("/sites", None), ("/d/dokuwiki", None)):
        answer = stack.get(stack.site_url + address, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert answer.headers.get("content-encoding") == encoding, address
