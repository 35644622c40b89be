"""A site in the browser of whoever sits at this machine."""

import webbrowser

from ..connection import Document
from .output import note


def open_in_browser(instance: Document) -> None:
    """Signed in, where the site lets one in by a link. BROWSER says which browser."""
    login = instance.get("login") or {}
    address = str(login.get("link") or instance["url"])
    if not address.startswith(("http://", "https://")):  # whatever the server calls an address
        note(f"This is no address for a browser: {address}")
    elif not _opened(address):
        note(f"No browser could be opened here. The site is at {instance['url']}")


def _opened(address: str) -> bool:
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
