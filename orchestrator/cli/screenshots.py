"""`catalog screenshots`: the pictures on the catalogue's cards, each of a real site.

Each distribution is launched from the running server as any launch, opened in Chromium, taken,
and deleted again, whatever has happened. Chromium scales and compresses the picture itself: WebP,
of the best quality that fits.
"""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..catalog import load_catalog
from ..client import Client
from ..pictures import HEIGHT, LARGEST, WIDTH
from . import completion
from .environment import connect, local_settings
from .errors import Failure
from .launching import TEN_MINUTES, wait_until_ready
from .output import note, say

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWPORT: Final = (960, 600)
PATIENCE: Final = 30_000  # milliseconds for a page to load
LIFETIME: Final = 300  # seconds, in case that nobody deletes it
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-proxy-server")

SHRINK: Final = """async ([png, width, height, largest]) => {
  const picture = await createImageBitmap(await (await fetch(png)).blob(), {
    resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  for (let quality = 0.9; quality > 0.1; quality -= 0.1) {
    const url = canvas.toDataURL("image/webp", quality);
    if (url.length * 3 / 4 < largest) return url;
  }
}"""


def screenshots(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SLUG",
            help="Which; else all that the server can launch.",
            autocompletion=completion.distributions,
        ),
    ] = None,
) -> None:
    """Take the pictures on the catalogue's cards, each from a real launch.

    They are written into the distributions' folders of this checkout as screenshot.webp; the
    server shows them once it has started anew. It needs Playwright and Chromium.
    """
    catalog = load_catalog(local_settings().distributions_dir)
    with chromium() as browser, connect() as client:
        offered = [one["slug"] for one in client.distributions() if one["available"]]
        for slug in slugs or offered:
            path = catalog.folder(slug) / "screenshot.webp"
            picture = _take(client, browser, slug)
            path.write_bytes(picture)
            say(f"{slug}: {_shown(path)}, {len(picture) / 1000:.0f} kB.")


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Raises Failure where Playwright or Chromium is missing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        message = "Playwright is not installed, which takes the pictures."
        hint = "`scripts/venv.sh` installs it, with all else that developers use."
        raise Failure(message, hint=hint) from error
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        except Error as error:
            message = "Chromium cannot be started, which takes the pictures."
            hint = "`scripts/packages.sh browser` installs it on Debian and Ubuntu."
            raise Failure(message, hint=hint) from error
        try:
            yield browser
        finally:
            browser.close()


def _take(client: Client, browser: "Browser", slug: str) -> bytes:
    """A WebP of the site's first page. Raises Failure, Refused."""
    note(f"{slug}: launching …")
    instance = client.launch(slug, lifetime=LIFETIME)
    try:
        instance = wait_until_ready(client, instance, TEN_MINUTES)
        return _picture(browser, instance["url"])
    finally:
        client.delete(instance["id"])


def _picture(browser: "Browser", url: str) -> bytes:
    from playwright.sync_api import Error

    width, height = VIEWPORT
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", color_scheme="light"
    )
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url, wait_until="load")
        png = base64.b64encode(page.screenshot(animations="disabled")).decode()
        page.goto("about:blank")  # the site's own policy must not be in the way
        asked: list[Any] = [f"data:image/png;base64,{png}", WIDTH, HEIGHT, LARGEST]
        webp = page.evaluate(SHRINK, asked)
    except Error as error:
        raise Failure(f"no picture of {url}: {error.message.splitlines()[0]}.") from error
    finally:
        context.close()
    if webp is None:
        raise Failure(f"the picture of {url} stays larger than {LARGEST} bytes.")
    return base64.b64decode(webp.partition(",")[2])


def _shown(path: Path) -> str:
    return "/".join(path.parts[-3:])
