"""The terminal's page in a real Chromium: by keyboard, by touch, read out, without JavaScript."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from orchestrator.domain.models import Caller, Instance
from orchestrator.engine.fake_terminal import FakeTerminal

from .site import Site
from .test_accessibility import LOOKS, barriers

pytestmark = pytest.mark.anyio


class Terminal:
    def __init__(self, on: Site, page: Page, instance: Instance) -> None:
        self.on = on
        self.page = page
        self.instance = instance
        self.complaints: list[str] = []
        page.on("console", lambda message: self._listen(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def screen(self) -> Any:
        return self.page.locator(".xterm-rows")

    @property
    def status(self) -> Any:
        return self.page.locator("[data-status]")

    @property
    def shells(self) -> list[FakeTerminal]:
        name = self.on.world.engine.name_of(self.instance.id)
        return self.on.world.engine.host.containers[name].terminals

    async def run(self, line: str, answer: str) -> None:
        await self.page.keyboard.type(line)
        await self.page.keyboard.press("Enter")
        await expect(self.screen).to_contain_text(answer)

    def _listen(self, kind: str, text: str) -> None:
        honest = ("WebSocket connection", "Failed to load resource")  # a refusal, a 410
        if kind in ("error", "warning") and not text.startswith(honest):
            self.complaints.append(text)


async def open_terminal(on: Site, **look: Any) -> Terminal:
    page = await on.visitor(**{"locale": "en-GB"} | look)
    instance = await on.create(page, "dokuwiki", "team-notes")
    terminal = Terminal(on, page, instance)
    await page.goto(f"/instances/{instance.id}")
    await page.get_by_role("link", name="Terminal").click()
    await expect(terminal.screen).to_contain_text("$")
    return terminal


@pytest.fixture
async def terminal(on: Site) -> AsyncIterator[Terminal]:
    opened = await open_terminal(on)
    yield opened
    assert opened.complaints == []


async def test_one_types_at_once_and_sees_the_answer(terminal: Terminal) -> None:
    await expect(terminal.page.get_by_role("textbox", name="Terminal")).to_be_focused()
    await terminal.run("echo hello", "hello")
    await expect(terminal.status).to_contain_text("Connected.")


async def test_the_policy_of_the_page_is_as_strict_as_anywhere_and_colours_are_drawn(
    terminal: Terminal,
) -> None:
    """xterm.js writes inline styles; `complaints` would have the browser's refusals."""
    async with terminal.on.world.client(Host=terminal.on.url.removeprefix("http://")) as anna:
        front = (await anna.get("/")).headers["content-security-policy"]
    page = await terminal.page.reload()
    assert page is not None and page.headers["content-security-policy"] == front
    assert "unsafe" not in front and "nonce" not in front
    await expect(terminal.screen).to_contain_text("$")
    await terminal.shells[-1].say(b"\x1b[38;2;200;30;30mcrimson\x1b[0m \x1b[1;4mstrong\x1b[0m\r\n")
    red = terminal.screen.get_by_text("crimson")
    await expect(red).to_have_css(
        "color", re.compile(r"rgb\(2\d\d, \d\d, \d\d\)|rgb\(200, 30, 30\)")
    )
    await expect(terminal.screen.get_by_text("strong")).to_have_css("font-weight", "700")
    row = await terminal.screen.locator("> div").first.evaluate(
        "(row) => getComputedStyle(row).height"
    )
    assert float(row.removesuffix("px")) > 10


async def test_escape_then_tab_leaves_and_tab_alone_does_not(terminal: Terminal) -> None:
    page, typed = terminal.page, page_focus(terminal.page)
    await page.keyboard.press("Tab")
    assert await typed() == "TEXTAREA"
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    assert await typed() == "INPUT"
    await expect(page.get_by_label("Read out what appears")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    assert await typed() == "TEXTAREA"
    await page.keyboard.press("Escape")
    await page.keyboard.press("Shift+Tab")
    assert await typed() == "A"
    assert terminal.shells[-1].typed == b"\t\x1b\x1b"


def page_focus(page: Page) -> Any:
    async def focused() -> str:
        name: str = await page.evaluate("document.activeElement.tagName")
        return name

    return focused


async def test_the_way_out_is_told_to_who_listens(terminal: Terminal) -> None:
    described = await terminal.page.get_by_role("textbox", name="Terminal").get_attribute(
        "aria-describedby"
    )
    text = await terminal.page.locator(f"#{described}").inner_text()
    assert "press Escape, then Tab" in text


async def test_what_appears_is_read_out_on_request_and_that_is_remembered(
    terminal: Terminal,
) -> None:
    page = terminal.page
    await page.get_by_label("Read out what appears").check()
    await page.get_by_role("textbox", name="Terminal").focus()
    await terminal.run("echo hello", "hello")
    await expect(page.get_by_role("listitem").filter(has_text="hello").first).to_be_attached()
    await page.reload()
    await expect(page.get_by_label("Read out what appears")).to_be_checked()
    await expect(terminal.screen).to_contain_text("$")


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_no_barrier_while_it_is_open_and_once_it_has_ended(
    on: Site, look: str
) -> None:
    terminal = await open_terminal(on, **LOOKS[look] | {"locale": "en-GB"}, bypass_csp=True)
    page = terminal.page
    assert await barriers(page) == []
    await page.locator("[data-reader]").check()
    assert await barriers(page) == []
    await terminal.shells[-1].end(0)
    await expect(page.get_by_role("button", name="Open a new shell")).to_be_visible()
    assert await barriers(page) == []


async def test_a_shell_that_ends_can_be_opened_anew(terminal: Terminal) -> None:
    await terminal.page.keyboard.type("exit")
    await terminal.page.keyboard.press("Enter")
    again = terminal.page.get_by_role("button", name="Open a new shell")
    await expect(again).to_be_focused()
    await expect(terminal.status).to_have_text("The shell has ended. You can open a new one.")
    await again.press("Enter")
    await expect(terminal.screen).to_contain_text("A new shell; the last one has ended")
    await terminal.run("echo again", "again")
    assert len(terminal.shells) == 2


async def test_a_cut_is_mended_by_itself(on: Site, terminal: Terminal) -> None:
    on.world.engine.unavailable = True
    await terminal.shells[-1].end(0)
    await expect(terminal.status).to_contain_text("The server’s end of the connection was cut.")
    on.world.engine.unavailable = False
    await expect(terminal.screen).to_contain_text("A new shell")
    await terminal.run("echo again", "again")


async def test_the_end_of_the_site_leads_to_what_has_happened(on: Site, terminal: Terminal) -> None:
    owner = Caller(terminal.instance.owner)
    await on.world.services.leases.delete(owner, terminal.instance.id)
    await expect(terminal.status).to_contain_text("The site is over, and its terminal with it.")
    await expect(terminal.page.get_by_role("button", name="Open a new shell")).to_be_hidden()
    await terminal.page.locator("[data-back]").click()
    await expect(terminal.page.get_by_role("heading", name="You deleted this site")).to_be_visible()


async def test_a_page_that_is_no_longer_ones_own_finds_out(terminal: Terminal) -> None:
    """A handshake that is refused says nothing to the page; so it asks for itself again."""
    await terminal.shells[-1].end(0)
    await terminal.page.context.clear_cookies()
    await terminal.page.get_by_role("button", name="Open a new shell").click()
    await expect(terminal.page.get_by_role("heading", level=1)).to_contain_text(
        "There is no such site here."
    )


async def test_a_renewal_elsewhere_moves_the_clock(on: Site, terminal: Terminal) -> None:
    clock = terminal.page.get_by_role("timer")
    before = await clock.get_attribute("data-countdown")
    on.world.clock.advance(minutes=5)
    await on.world.services.leases.renew(Caller(terminal.instance.owner), terminal.instance.id)
    await expect(clock).not_to_have_attribute("data-countdown", before or "")


async def test_control_with_c_and_v_copies_and_pastes_and_interrupts(terminal: Terminal) -> None:
    page, shell = terminal.page, terminal.shells[-1]
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await shell.say(b"copyme\r\n")
    await terminal.screen.get_by_text("copyme").dblclick(force=True)
    await page.keyboard.press("Control+c")
    assert await page.evaluate("navigator.clipboard.readText()") == "copyme"
    assert b"\x03" not in shell.typed
    await page.keyboard.press("Control+c")
    await page.keyboard.press("Control+v")
    while not shell.typed.endswith(b"copyme"):
        await page.wait_for_timeout(20)
    assert shell.typed == b"\x03copyme"


async def test_a_long_paste_arrives_whole(terminal: Terminal) -> None:
    await terminal.page.get_by_role("textbox", name="Terminal").evaluate(
        """(input, text) => {
          const data = new DataTransfer();
          data.setData("text/plain", text);
          input.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        "x" * 50_000,
    )
    while len(terminal.shells[-1].typed) < 50_000:
        await terminal.page.wait_for_timeout(20)
    assert terminal.shells[-1].typed == b"x" * 50_000


async def test_a_flood_is_drawn_and_acknowledged(terminal: Terminal) -> None:
    """Four times what may be on its way."""
    for _ in range(64):
        await terminal.shells[-1].say(b"y" * 78 + b"\r\n" + b"z" * 16 * 1024)
    await terminal.shells[-1].say(b"\r\nall of it\r\n")
    await expect(terminal.screen).to_contain_text("all of it")


async def test_a_finger_has_keys_that_its_keyboard_lacks(on: Site) -> None:
    terminal = await open_terminal(
        on, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True
    )
    await terminal.page.get_by_role("button", name="Ctrl+C").tap()
    await terminal.page.get_by_role("button", name="Arrow up").tap()
    while terminal.shells[-1].typed != b"\x03\x1b[A":
        await terminal.page.wait_for_timeout(20)
    assert await terminal.page.evaluate("document.documentElement.scrollWidth") <= 390
    size = terminal.shells[-1].size
    assert size is not None and 30 <= size.columns <= 60 and size.rows >= 10


async def test_without_javascript_it_says_that_it_needs_it(on: Site) -> None:
    page = await on.visitor(java_script_enabled=False, locale="de-DE")
    instance = await on.create(page, "dokuwiki", "notizen")
    await page.goto(f"/instances/{instance.id}/terminal")
    await expect(page.get_by_text("Das Terminal braucht JavaScript.")).to_be_visible()
    await expect(page.locator(".terminal-box")).to_be_hidden()


async def test_without_xterm_it_says_so(on: Site) -> None:
    page = await on.visitor(locale="en-GB")
    instance = await on.create(page, "dokuwiki", "notes")
    await page.route("**/xterm.mjs", lambda route: route.fulfill(status=404))
    await page.goto(f"/instances/{instance.id}/terminal")
    await expect(page.get_by_role("status").first).to_contain_text("The terminal cannot be loaded.")


async def test_the_colours_follow_the_visitors_choice(terminal: Terminal) -> None:
    viewport = terminal.page.locator(".xterm-scrollable-element")
    light = await viewport.evaluate("(one) => getComputedStyle(one).backgroundColor")
    await terminal.page.emulate_media(color_scheme="dark")
    await expect(viewport).not_to_have_css("background-color", light)
    assert light == "rgb(255, 255, 255)"
