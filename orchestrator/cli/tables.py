"""Tables on a terminal. Nothing is cut off: one that is too wide has its last column folded, or
below each row, and where even that does not fit, each row becomes a block of its own.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.text import Text

GAP: Final = 2  # columns between two cells
PROSE: Final = 24  # so wide must a column be, at least, for sentences
HEADING: Final = "bold"

Row = Sequence[str]
Styles = Mapping[str, str]  # what a cell says → how


def lines(columns: Row, rows: Sequence[Row], width: int, styles: Styles) -> Iterator[Text]:
    """`width`: of the window, in characters."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    before_last = sum(each + GAP for each in widths[:-1])
    if before_last + widths[-1] <= width:
        yield from _table(columns, rows, widths, styles)
    elif any(" " in row[-1] for row in rows) and width - before_last >= PROSE:
        yield from _with_prose(columns, rows, widths, width, styles)
    elif len(columns) > 1 and before_last - GAP <= width:
        yield from _with_last_below(columns, rows, widths, width, styles)
    else:
        yield from _blocks(columns, rows, width, styles)


def _table(columns: Row, rows: Sequence[Row], widths: list[int], styles: Styles) -> Iterator[Text]:
    yield _line(columns, widths, {}, HEADING)
    for row in rows:
        yield _line(row, widths, styles)


def _with_prose(
    columns: Row, rows: Sequence[Row], widths: list[int], width: int, styles: Styles
) -> Iterator[Text]:
    """Its last column is folded between words."""
    indent = sum(each + GAP for each in widths[:-1])
    yield _line(columns, widths, {}, HEADING)
    for row in rows:
        first, *more = textwrap.wrap(row[-1], width - indent) or [""]
        yield _line((*row[:-1], first), widths, styles)
        yield from (Text(" " * indent + each) for each in more)


def _with_last_below(
    columns: Row, rows: Sequence[Row], widths: list[int], width: int, styles: Styles
) -> Iterator[Text]:
    yield _line(columns[:-1], widths[:-1], {}, HEADING)
    for row in rows:
        yield _line(row[:-1], widths[:-1], styles)
        yield from (Text(" " * GAP + each) for each in folded(row[-1], width - GAP))


def _blocks(columns: Row, rows: Sequence[Row], width: int, styles: Styles) -> Iterator[Text]:
    """A line for each cell that says something; what is too long for it goes below."""
    indent = max(map(len, columns)) + GAP
    for number, row in enumerate(rows):
        if number:
            yield Text()
        for name, cell in zip(columns, row, strict=True):
            if not cell:
                continue
            heading = (name.ljust(indent), HEADING)
            if indent + len(cell) <= width:
                yield Text.assemble(heading, (cell, styles.get(cell, "")))
            else:
                yield Text(name, HEADING)
                yield from (Text(" " * GAP + each) for each in folded(cell, width - GAP))


def folded(text: str, width: int) -> list[str]:
    """Between words, with its indentation. What is longer than a line stays whole: the terminal
    breaks it, and an address can still be copied."""
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text,
        max(width, 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _line(row: Row, widths: list[int], styles: Styles, style: str = "") -> Text:
    line = Text(style=style)
    for cell, width in zip(row, widths, strict=True):
        line.append(cell, styles.get(cell, ""))
        line.append(" " * (width - len(cell) + GAP))
    line.rstrip()
    return line
