"""Drawings that are made on request: QR codes, and the badge for other people's pages."""

import functools

import segno
from markupsafe import Markup, escape

# Widths of Verdana's characters at 11 px, roughly; the text is then fitted to their sum.
NARROW = frozenset("fijlrtI.,:'|!()[] ")
WIDE = frozenset("mwMWQO@")


@functools.lru_cache(maxsize=1024)
def qr_code(url: str, title: str) -> Markup:
    """An inline SVG, dark on light in any scheme: cameras want that."""
    code = segno.make(url, error="m", micro=False)
    drawn = code.svg_inline(
        border=3, omitsize=True, svgclass="qr", lineclass=None, light="#fff", dark="#000"
    )
    labelled = f'<svg role="img" aria-label="{escape(title)}" '
    return Markup(drawn.replace("<svg ", labelled, 1))  # noqa: S704  # segno's own drawing


def text_width(text: str) -> int:
    """Pixels, at 11 px."""
    widths = (4.3 if each in NARROW else 10.0 if each in WIDE else 7.0 for each in text)
    return round(sum(widths))
