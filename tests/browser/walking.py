"""A newcomer's way through the site, with whatever hands and eyes they have.

From the front page to a site of their own and to its end: open, choose, name, create, use, renew,
share, take away, delete. Nobody tells them how; every control is found by what it says.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Locator, Page, expect

from .site import Site, close

FARTHEST = 60  # presses of Tab, to whatever is on a page
SITE = re.compile(r"^http://team-notes-[a-z0-9]{12}\.sandbox\.localhost")

Look = Callable[[Page, str], Awaitable[None]]  # at a page, and what step it is


class Hand(Protocol):
    async def choose(self, radio: Locator) -> None: ...
    async def write(self, field: Locator, text: str) -> None: ...
    async def press(self, control: Locator) -> None: ...


class Mouse:
    async def choose(self, radio: Locator) -> None:
        await radio.check()

    async def write(self, field: Locator, text: str) -> None:
        await field.click()
        await field.press_sequentially(text)

    async def press(self, control: Locator) -> None:
        await control.click()


class Keyboard:
    """Nothing else: what cannot be reached with Tab, or not be seen there, does not exist."""

    async def choose(self, radio: Locator) -> None:
        await self._reach(radio.page.locator("[name=distribution]:checked").or_(radio).first)
        for _ in range(FARTHEST):
            if await radio.is_checked():
                return
            await radio.page.keyboard.press("ArrowDown")
        raise AssertionError("The arrow keys never lead there.")

    async def write(self, field: Locator, text: str) -> None:
        await self._reach(field)
        await field.page.keyboard.type(text)

    async def press(self, control: Locator) -> None:
        await self._reach(control)
        await control.page.keyboard.press("Enter")

    async def _reach(self, control: Locator) -> None:
        for _ in range(FARTHEST):
            if await control.evaluate("one => one === document.activeElement"):
                await expect(control).to_be_in_viewport()
                assert await control.evaluate(SHOWS_FOCUS), await control.inner_text()
                return
            await control.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never leads to {control}.")


# It, or what stands around it, has an outline or a shadow that it has not without the focus.
SHOWS_FOCUS = """one => {
  const looks = (each) => {
    const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(each);
    return outlineStyle === "none" || outlineWidth === "0px" ? boxShadow + borderColor : "outlined";
  };
  const places = [one, one.parentElement, one.closest(".card, label, .row")].filter(Boolean);
  const focused = places.map(looks);
  one.blur();
  const plain = places.map(looks);
  one.focus({ focusVisible: true });
  return focused.some((each, place) => each !== plain[place]);
}"""


@dataclass
class Newcomer:
    on: Site
    page: Page
    hand: Hand
    look: Look
    scripts: bool = True
    how: dict[str, Any] = field(default_factory=dict)  # as for `Site.visitor`

    async def walk(self, folder: Path) -> None:
        await self.open_and_choose()
        site = await self.create()
        instance_id = await self.find_it_again(site)
        await self.renew()
        await self.share()
        await self.take_away(folder)
        await self.delete(instance_id)

    async def open_and_choose(self) -> None:
        await self.open()
        await self.look(self.page, "open")
        await self.hand.choose(self.page.get_by_label("DokuWiki", exact=True))
        await self.hand.write(self.page.get_by_label("Name your site"), "Team Notes")
        await self.look(self.page, "name")

    async def open(self) -> None:
        """Until its scripts run: where a container comes or goes on this machine, Chromium breaks
        off what it is loading (ERR_NETWORK_CHANGED), and the page is one without scripts."""
        await self.page.goto("/")
        if self.scripts:
            proof = self.page.locator("input[name=captcha]")
            try:
                await expect(proof).not_to_have_value("")
            except AssertionError:
                await self.page.reload()
                await expect(proof).not_to_have_value("")

    async def create(self) -> Page:
        """In its own tab: the page to wait on, then the site."""
        healthy = self.on.world.probe.site
        self.on.never_ready()
        button = self.page.get_by_role("button", name=re.compile("Create .*opens in a new tab"))
        async with self.page.context.expect_page() as opened:
            await self.hand.press(button)
        tab = await opened.value
        await expect(tab.get_by_role("heading", name="Creating your DokuWiki site")).to_be_visible()
        await self.look(tab, "wait")
        self.on.world.probe.site = healthy
        await tab.wait_for_url(SITE)
        return tab

    async def find_it_again(self, site: Page) -> str:
        """The first tab has gone on to its clock by itself; without scripts a link leads there."""
        if not self.scripts:
            await self.hand.press(self.page.get_by_role("link", name="Your sites"))
        await self.page.wait_for_url("**/sites*")
        instance_id = SITE_ID.findall(site.url)[0]
        assert isinstance(instance_id, str)
        await expect(self.page.get_by_role("timer")).to_be_visible()
        await expect(self.page.get_by_role("term").filter(has_text="Password")).to_be_visible()
        await self.look(self.page, "use")
        await close(site)
        return instance_id

    async def renew(self) -> None:
        self.on.world.clock.advance(minutes=37)
        await self.page.reload()
        warning = self.page.get_by_role("status").filter(has_text="Less than five minutes are left")
        await expect(warning).to_be_visible()
        await self.look(self.page, "be warned")
        await self.hand.press(self.page.get_by_role("button", name="Renew to 40 minutes"))
        await expect(self.page.get_by_role("heading", name="Time left")).to_be_visible()
        await expect(warning).to_be_hidden()
        await expect(self.page.get_by_role("timer")).to_have_text(re.compile("^(40|39)"))
        await self.look(self.page, "renew")

    async def share(self) -> None:
        await self.hand.press(self.page.locator("summary", has_text="Share"))
        link = (
            await self.page.locator("details", has_text="Link to share")
            .locator("code")
            .inner_text()
        )
        await self.look(self.page, "share")
        stranger = await self.on.visitor(scripts=self.scripts, **self.how)
        await stranger.goto(link)
        await expect(stranger.get_by_role("timer")).to_be_visible()
        await expect(stranger.get_by_role("term")).to_have_count(0)  # no login
        await self.look(stranger, "be shared with")
        await close(stranger)

    async def take_away(self, folder: Path) -> None:
        async with self.page.expect_download() as downloading:
            await self.hand.press(self.page.get_by_role("link", name="Download a copy"))
        download = await downloading.value
        assert re.fullmatch(r"team-notes-\d{4}-\d\d-\d\d\.tar\.gz", download.suggested_filename)
        await download.save_as(folder / "copy.tar.gz")

    async def delete(self, instance_id: str) -> None:
        await self.hand.press(self.page.locator("summary", has_text="Delete this site"))
        await self.look(self.page, "think twice")
        await self.hand.press(self.page.get_by_role("button", name="Delete it now"))
        await expect(self.page.get_by_role("heading", name="You deleted this site")).to_be_visible()
        await self.on.world.ended(instance_id)
        await expect(self.page.get_by_text("Nothing of it is left.")).to_be_visible()
        await self.look(self.page, "delete")


SITE_ID = re.compile(r"-([a-z0-9]{12})\.sandbox")
