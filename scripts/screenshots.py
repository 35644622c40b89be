"""`make screenshots`: every page, as desktop, phone, dark and German pictures.

They are taken from the service on fakes, so that neither an engine nor a network is needed, and
kept in docs/screenshots/. `screenshots.py FOLDER` writes them elsewhere, `--png` as PNG files.
"""

import argparse
import asyncio
import base64
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

from orchestrator.domain.models import Caller, Instance
from orchestrator.settings import ROOT
from tests.browser.busy import busy, measured, pages, sign_in
from tests.browser.site import Site, site

QUALITY: Final = 0.25  # of the WebPs, from 0 to 1
COMPRESS: Final = """async ([png, quality]) => {
  const picture = await createImageBitmap(await (await fetch(png)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const reader = new FileReader();
  reader.readAsDataURL(await canvas.convertToBlob({ type: "image/webp", quality }));
  return new Promise((done) => (reader.onload = () => done(reader.result)));
}"""
PAUSED: Final = ("We are moving, back at noon.", "Wir ziehen um und sind mittags wieder da.")
SHELL: Final = (
    b"ls /var/lib/dokuwiki/data\r\n"
    b"\x1b[1;34mattic\x1b[0m  \x1b[1;34mcache\x1b[0m  \x1b[1;34mindex\x1b[0m  "
    b"\x1b[1;34mmedia\x1b[0m  \x1b[1;34mmeta\x1b[0m  \x1b[1;34mpages\x1b[0m\r\n"
    b"$ \x1b[32mid\x1b[0m\r\nuid=33(www-data) gid=33(www-data)\r\n$ "
)
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"},
    "phone": {"viewport": {"width": 390, "height": 844}, "locale": "en-GB"},
    "dark": {
        "viewport": {"width": 1280, "height": 900},
        "locale": "en-GB",
        "color_scheme": "dark",
    },
    "german": {"viewport": {"width": 1280, "height": 900}, "locale": "de-DE"},
}


@dataclass(frozen=True, slots=True)
class Shots:
    """One visitor's pictures, in one look."""

    on: Site
    page: Page
    folder: Path
    look: str
    png: bool

    async def take(self, name: str, address: str | None = None) -> None:
        if address is not None:
            await self.page.goto(address)
        await self.page.wait_for_load_state("load")
        await self.page.evaluate("document.fonts.ready")
        for image in await self.page.locator("img").all():
            await image.scroll_into_view_if_needed()
        await self.page.evaluate("scrollTo(0, 0)")
        picture = await self.page.screenshot(full_page=True)
        if not self.png:
            picture = await self._compressed(picture)
        path = self.folder / f"{name}-{self.look}.{'png' if self.png else 'webp'}"
        await asyncio.to_thread(path.write_bytes, picture)

    async def _compressed(self, png: bytes) -> bytes:
        """By Chromium, on a blank page of its own."""
        page = await self.on.visitor()
        asked = [f"data:image/png;base64,{base64.b64encode(png).decode()}", QUALITY]
        webp: str = await page.evaluate(COMPRESS, asked)
        await page.context.close()
        return base64.b64decode(webp.partition(",")[2])


async def of_running_sites(shots: Shots) -> None:
    """The front page, a site's pages, what others see of it, and a launch that is refused."""
    on, page = shots.on, shots.page
    await shots.take("front-page", "/")
    await shots.take("distribution", "/d/dokuwiki")
    for summary in await page.locator("summary").all():
        await summary.click()
    await shots.take("distribution-open")
    await shots.take("launch", "/launch/mediawiki")
    notes = await on.create(page, "dokuwiki", "team-notes")
    await on.create(page, "mediawiki", "my-first-wiki")
    await shots.take("front-page-with-sites", "/")
    await shots.take("sites", "/sites")
    await shots.take("site", f"/instances/{notes.id}")
    for summary in await page.locator("summary").all():
        await summary.click()
    await shots.take("site-open")
    await _in_a_terminal(shots, notes)
    await shots.take("terminal")
    token = on.world.services.sharing.token(notes.id)
    await shots.take("shared", f"/s/{token}")
    await on.world.services.leases.delete(Caller(notes.owner), notes.id)
    await on.world.ended(notes.id)
    await shots.take("ended", f"/instances/{notes.id}")
    await shots.take("not-live", notes_address(on, notes))
    await shots.take("nowhere", "/nowhere")
    refused = await on.refused(page, "mediawiki", "one-more")
    await replace(shots, page=refused).take("refused")
    await on.world.services.safety.pause(PAUSED[shots.look == "german"], "admin")
    await shots.take("paused", "/launch/dokuwiki")


async def _in_a_terminal(shots: Shots, instance: Instance) -> None:
    on, page = shots.on, shots.page
    await page.goto(f"/instances/{instance.id}/terminal")
    screen = page.locator(".xterm-rows")
    await screen.get_by_text("$").wait_for()
    name = on.world.engine.name_of(instance.id)
    await on.world.engine.host.containers[name].terminals[-1].say(SHELL)
    await screen.get_by_text("uid=33").wait_for()


async def of_troubles(shots: Shots) -> None:
    """A launch under way, and one that fails."""
    on, page = shots.on, shots.page
    on.never_ready()
    launched = await on.begin(page, "mediawiki", "slow")
    await page.wait_for_selector("[data-state=current]")
    await shots.take("waiting")
    name = on.world.engine.name_of(launched.id)
    on.world.engine.host.say(name, "PHP Fatal error: Allowed memory size exhausted in index.php")
    await on.world.engine.host.crash(name)
    await page.locator(".log pre").wait_for()  # the page has noticed by itself
    await shots.take("failed")


async def of_admin(shots: Shots) -> None:
    """What an admin sees after a busy month."""
    sites = await busy(shots.on)
    await shots.page.goto("/admin/")
    await shots.take("admin-sign-in")
    await sign_in(shots.page)
    for name, address in pages(sites).items():
        await measured(shots.on, sites)
        await shots.take(name, address)


def notes_address(on: Site, instance: Instance) -> str:
    port = on.url.rpartition(":")[2]
    return f"http://{instance.name}-{instance.id}.sandbox.localhost:{port}/"


async def take_all(folder: Path, *, png: bool, looks: list[str]) -> None:
    parts: tuple[tuple[Callable[[Shots], Awaitable[None]], dict[str, Any]], ...] = (
        (of_running_sites, {"launches_per_visitor": 2, "abuse_contact": "abuse@distros.example"}),
        (of_troubles, {"pool_limit": 0}),
        (of_admin, {"captcha": "none", "synthetic_distribution": "hello", "pool_limit": 2}),
    )
    for part, settings in parts:
        for look in looks:
            with tempfile.TemporaryDirectory() as state:
                async with site(Path(state), missing=["drupal"], **settings) as on:
                    page = await on.visitor(**LOOKS[look])
                    await part(Shots(on, page, folder, look, png))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--png", action="store_true")
    parser.add_argument("--look", action="append", choices=[*LOOKS], dest="looks")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take_all(options.folder, png=options.png, looks=options.looks or [*LOOKS]))


if __name__ == "__main__":
    main()
