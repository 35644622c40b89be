"""A visitor with a real Chromium, who sees the site as people do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    expect,
    sync_playwright,
)

from .stack import Stack

EXECUTABLE = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
]
NO_SCRIPTS = "--blink-settings=scriptEnabled=false"
PATIENCE = 30_000  # milliseconds; a busy machine starts an application in a few seconds


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        yield browser
        browser.close()


def close(context: BrowserContext) -> None:
    """From blank pages: Chromium may never answer where one is closed that is just going on to
    another page (`Target.disposeBrowserContext`)."""
    for page in context.pages:
        with suppress(Error):  # it was quicker, and has gone on
            page.goto("about:blank")
    context.close()


@dataclass
class Visitor:
    stack: Stack
    page: Page
    complaints: list[str] = field(default_factory=list)  # of the browser, on the site's own pages
    created: list[str] = field(default_factory=list)  # instance ids
    own_browser: Browser | None = None

    @classmethod
    def without_scripts(cls, stack: Stack, browser: Browser) -> "Visitor":
        """In a browser that runs none at all: Playwright's own way to do without them comes too
        late for the first page of a tab that another page has opened."""
        own = browser.browser_type.launch(executable_path=EXECUTABLE, args=[*ARGUMENTS, NO_SCRIPTS])
        return cls(stack, own.new_context().new_page(), own_browser=own)

    @classmethod
    def with_or_without_scripts(cls, stack: Stack, browser: Browser, scripts: bool) -> "Visitor":
        if not scripts:
            return cls.without_scripts(stack, browser)
        return cls(stack, browser.new_context().new_page())

    def __post_init__(self) -> None:
        self._look_at(self.page)

    def _look_at(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def create(self, distribution: str, name: str = "") -> str:
        """From the front page to the running site; its instance id."""
        self.page.goto(self.stack.site_url)
        self.page.get_by_label(distribution, exact=True).check()
        self.page.get_by_label("Name your site").fill(name)
        self.press_create()
        return self.arrive(name)

    def press_create(self, how: str = "click") -> Page:
        """What comes of it is in a new tab, which is looked at from now on; returns the first."""
        first = self.page
        button = first.get_by_role("button", name="Create")
        with first.context.expect_page() as opened:
            match how:
                case "click":
                    button.click()
                case "double click":
                    button.dblclick()
                case key:
                    button.press(key)
        self._look_at(opened.value)
        return first

    def arrive(self, name: str = "") -> str:
        """Waits until the address bar shows the site's own subdomain."""
        host = re.escape(f".sandbox.localhost:{self.stack.port}/")
        prefix = f"{re.escape(name)}-" if name else ""
        address = re.compile(rf"^http://{prefix}([a-z0-9]{{12}}){host}")
        self.page.wait_for_url(address)
        found = address.match(self.page.url)
        assert found is not None
        self.created.append(found[1])
        return found[1]

    def open_instance(self, instance_id: str) -> None:
        """By the list of one's own sites, as a visitor gets there."""
        self.page.goto(self.stack.site_url)
        way = self.page.locator(f'.own a[href="/instances/{instance_id}"]')
        expect(way).to_contain_text("Login, renew, delete")
        way.click()
        expect(self.page.get_by_role("heading", name="Time left")).to_be_visible()

    def leave(self) -> None:
        close(self.page.context)
        if self.own_browser is not None:
            self.own_browser.close()
        with self.stack.api() as api:
            for instance_id in self.created:
                api.delete(f"/instances/{instance_id}")

    def _listen(self, message: ConsoleMessage) -> None:
        ours = message.location["url"].startswith(self.stack.site_url)
        honest_status = message.text.startswith("Failed to load resource")  # 410 of a page
        if ours and message.type in ("error", "warning") and not honest_status:
            self.complaints.append(message.text)
