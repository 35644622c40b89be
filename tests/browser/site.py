"""The whole service on fakes with a real Chromium before it, in one event loop.

An instance's own host leads here too, so that what a visitor is sent to is the "not live" page.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from orchestrator.catalog import Catalog, load_catalog
from orchestrator.cli.serving import OPTIONS
from orchestrator.domain.models import Instance, State
from orchestrator.service.readiness import Answer
from orchestrator.settings import ROOT
from tests.e2e.browser import ARGUMENTS, EXECUTABLE, NO_SCRIPTS
from tests.support import World, running

PATIENCE = 15_000  # milliseconds
LEAVES_WITHIN = 5.0  # seconds
SPAM_PROTECTION: dict[str, Any] = {
    "captcha": "altcha",
    "captcha_complexity": 1_000,
    "launches_without_javascript": 1_000_000,
}

sites: "list[Site]" = []  # that there are now


@dataclass
class Site:
    world: World
    browser: Browser
    without_scripts: Browser
    url: str

    async def visitor(self, *, scripts: bool = True, **how: Any) -> Page:
        """A new visitor's window; `how` as for Playwright's `new_context`."""
        browser = self.browser if scripts else self.without_scripts
        context: BrowserContext = await browser.new_context(base_url=self.url, **how)
        context.set_default_timeout(PATIENCE)
        return await context.new_page()

    async def leave(self) -> None:
        """All visitors that there are."""
        for context in [*self.browser.contexts, *self.without_scripts.contexts]:
            for page in context.pages:
                await close(page)
            await _in_time(context.close())

    async def create(self, page: Page, slug: str, name: str = "") -> Instance:
        """By the page for it; the instance, once it is ready or has failed. The page is there."""
        instance = await self.begin(page, slug, name)
        created = await self.world.until(instance.id, lambda now: not now.state.pending)
        if created.state is State.READY:
            host = f"{instance.id}.{self.world.services.settings.instance_domain}"
            await page.wait_for_url(lambda url: host in url)
        return created

    async def begin(self, page: Page, slug: str, name: str = "") -> Instance:
        """The page is the one on which one waits."""
        known = set(self.world.services.ledger.live)
        tab, status = await self._send(page, slug, name)
        assert status == 303
        await close(tab)
        live = self.world.services.ledger.live.values()
        visitors = [each for each in live if each.by_visitor]  # not the service's own
        owned = [each for each in visitors if each.id not in known]
        begun = max(owned or visitors, key=lambda each: each.created_at)
        await page.goto(f"/instances/{begun.id}/go")
        return begun

    async def refused(self, page: Page, slug: str, name: str) -> Page:
        """The tab of a launch that is one too many."""
        tab, status = await self._send(page, slug, name)
        assert status == 429
        return tab

    async def _send(self, page: Page, slug: str, name: str) -> tuple[Page, int]:
        """The tab that opens, once it is there, and the status that answered the form. The form has
        a tab of its own, which would go on to the visitor's sites."""
        context = page.context
        form = await context.new_page()
        await form.goto(f"/launch/{slug}")
        await form.locator("#name").fill(name)
        async with (
            context.expect_page() as opened,
            context.expect_event(
                "response", lambda answer: answer.url.endswith("/launch")
            ) as answered,
        ):
            await form.locator("button.primary").click()
        tab, answer = await opened.value, await answered.value
        await tab.wait_for_load_state()
        await close(form)
        return tab, answer.status

    def never_ready(self) -> None:
        self.world.probe.site = lambda instance_id: Answer(500, marker=instance_id)


async def close(page: Page) -> None:
    """From a blank page: Chromium may never answer where one is closed that is just going on to
    another page (`Target.closeTarget`, `Target.disposeBrowserContext`)."""
    await _in_time(page.goto("about:blank"))
    await _in_time(page.close())


async def _in_time(leaving: Coroutine[Any, Any, object]) -> None:
    """Or not at all: it was quicker, and has gone on. What is left goes with the browser."""
    with contextlib.suppress(Error, TimeoutError):
        await asyncio.wait_for(leaving, LEAVES_WITHIN)


@contextlib.asynccontextmanager
async def site(
    folder: Path, *, catalog: Catalog | None = None, missing: Sequence[str] = (), **settings: Any
) -> AsyncIterator[Site]:
    """With the catalogue that comes along, of which these images are missing, and spam protection
    that asks for little."""
    settings = SPAM_PROTECTION | settings
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        url = f"http://distros.localhost:{port}"
        async with running(
            folder,
            catalog=catalog or load_catalog(ROOT / "distributions"),
            site_url=url,
            instances_url=f"http://sandbox.localhost:{port}",
            **settings,
        ) as world:
            for each in world.services.catalog:
                if each.slug not in missing:
                    world.engine.host.images[each.image.ref] = {}
            world.probe.site = lambda instance_id: Answer(
                200, marker=instance_id, text=_welcome(world)
            )
            await world.services.images.look()
            config = uvicorn.Config(world.app, **OPTIONS | {"lifespan": "off"})
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            expect.set_options(timeout=PATIENCE)
            async with async_playwright() as playwright:
                browser, plain = [
                    await playwright.chromium.launch(executable_path=EXECUTABLE, args=arguments)
                    for arguments in (ARGUMENTS, [*ARGUMENTS, NO_SCRIPTS])
                ]
                started = Site(world, browser, plain, url)
                sites.append(started)
                yield started
                sites.remove(started)
                await browser.close()
                await plain.close()
            server.should_exit = True
            await serving


def _welcome(world: World) -> str:
    """What every distribution's readiness asks for."""
    return " ".join(each.readiness.text or "" for each in world.services.catalog)
