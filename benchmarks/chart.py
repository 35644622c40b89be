"""The plot of `docs/performance.md`, from the figures of a run: an SVG of two panels.

Left, how long a visitor waits for each kind of start; right, how that changes with more instances.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 880, 330
TOP, BOTTOM = 50, 285  # of both panels' drawing areas
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.title{font-weight:600}"
    ".small{font-size:11px;fill:#666}.axis{stroke:#bbb}"
)
COLOURS = {
    "claim": "#12805c",
    "cold start": "#3b73d1",
    "bare engine": "#8a8f98",
    "JupyterHub": "#d97a2b",
}

Row = dict[str, Any]
Bar = tuple[str, str, float]  # group, kind, seconds
Series = dict[str, list[tuple[int, float]]]  # by kind: live instances, seconds


def svg(figures: Sequence[Row]) -> str:
    parts = [*legend(), *bars(waits(figures)), *lines(growth(figures))]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<title>Seconds from the click to the site</title>\n<style>{STYLE}</style>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def waits(figures: Iterable[Row]) -> list[Bar]:
    found: list[Bar] = []
    for row in figures:
        image = row["what"].partition(",")[0]
        if row["benchmark"] == "claim" and row["what"].endswith("quiet, median"):
            if row["against"] != "JupyterHub":
                found.append((image, "claim", row["value"]))
        elif row["benchmark"] == "cold start":
            if row["against"] == "JupyterHub":
                found.append((image, "JupyterHub", row["reference"]))
            else:
                found.append((image, "cold start", row["value"]))
                found.append((image, "bare engine", row["reference"]))
    images = list(dict.fromkeys(bar[0] for bar in found))
    kinds = list(COLOURS)
    return sorted(found, key=lambda bar: (images.index(bar[0]), kinds.index(bar[1])))


def growth(figures: Iterable[Row]) -> Series:
    series: Series = {kind: [] for kind in ("claim", "cold start", "bare engine")}
    for row in figures:
        if row["benchmark"] == "growth" and row["unit"] == "s" and "refilling" not in row["what"]:
            kind = row["what"].partition(",")[0]
            series[kind].append((row["live"], row["value"]))
            if kind == "cold start":
                series["bare engine"].append((row["live"], row["reference"]))
    return {kind: points for kind, points in series.items() if points}


def legend() -> Iterable[str]:
    for place, (kind, colour) in enumerate(COLOURS.items()):
        x = 20 + 120 * place
        yield f'<rect x="{x}" y="{HEIGHT - 24}" width="12" height="12" fill="{colour}"/>'
        yield text(x + 18, HEIGHT - 13, kind)


def bars(found: Sequence[Bar]) -> Iterable[str]:
    """Horizontal, grouped by image."""
    yield text(20, 28, "Seconds to the site, by image", "title")
    if not found:
        return
    longest = max(seconds for _, _, seconds in found)
    groups = len({group for group, _, _ in found})
    height = min(20.0, (BOTTOM - TOP - 12 * groups) / len(found))
    y, group_before = float(TOP), ""
    for group, kind, seconds in found:
        if group != group_before:
            y += 12 if group_before else 0
            yield text(20, y + height - 4, group)
            group_before = group
        width = 240 * seconds / longest
        yield (
            f'<rect x="105" y="{y:.1f}" width="{width:.1f}" height="{height - 3:.1f}" '
            f'fill="{COLOURS[kind]}"/>'
        )
        yield text(111 + width, y + height - 6, f"{seconds:.3f}", "small")
        y += height


def lines(series: Series) -> Iterable[str]:
    """Seconds over live instances."""
    left, right = 500, 800
    yield text(left - 40, 28, "Hello, with so many instances alive", "title")
    if not series:
        return
    levels = sorted({live for points in series.values() for live, _ in points})
    longest = max(seconds for points in series.values() for _, seconds in points)
    yield f'<path class="axis" d="M{left} {TOP}V{BOTTOM}H{right + 10}" fill="none"/>'

    def at(live: int, seconds: float) -> tuple[float, float]:
        x = left + (right - left) * live / max(1, levels[-1])
        return x, BOTTOM - (BOTTOM - TOP) * seconds / longest

    for live in levels:
        yield text(at(live, 0)[0], BOTTOM + 15, str(live), "small", anchor="middle")
    for kind, points in series.items():
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (at(*point) for point in points))
        yield f'<path d="M{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2"/>'
        for point in points:
            x, y = at(*point)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[kind]}"/>'
        x, y = at(*points[-1])
        yield text(x + 8, y + 4, f"{points[-1][1]:.3f} s", "small")


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{shown}>{escape(words)}</text>'
