"""A site's database in the browser, on the whole stack: for its owner, and for nobody else."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from .browser import Visitor, close
from .stack import Stack


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def visitor(request: pytest.FixtureRequest, stack: Stack, browser: Browser) -> Iterator[Visitor]:
    one = Visitor.with_or_without_scripts(stack, browser, request.param)
    yield one
    one.leave()


def test_the_owner_sees_tables_and_a_stranger_nothing(
    visitor: Visitor, stack: Stack, browser: Browser
) -> None:
    instance_id = visitor.create("MediaWiki", "my-wiki")
    visitor.open_instance(instance_id)
    with visitor.page.context.expect_page() as opened:
        visitor.page.get_by_role("link", name="Database").click()
    page = opened.value
    page.wait_for_url(re.compile(rf"^http://my-wiki-{instance_id}\.sandbox\.localhost.*/database/"))
    assert "ticket" not in page.url
    table = page.locator("table").filter(has_text="revision")
    expect(table.get_by_role("link", name="user", exact=True)).to_be_visible()
    page.locator("#menu").get_by_role("link", name="user", exact=True).last.click()
    expect(page.locator("body")).to_contain_text("user_password")

    stranger = browser.new_context().new_page()
    address = page.url
    for place in (address, address.partition("?")[0]):
        answer = stranger.goto(place)
        assert answer is not None and answer.status == 404
    expect(stranger.locator("body")).to_contain_text("There is nothing here.")
    answer = stranger.goto(f"{stack.site_url}/instances/{instance_id}/database")
    assert answer is not None and answer.status == 404
    close(stranger.context)
