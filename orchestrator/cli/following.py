"""A pull or a build as it goes on: live on a terminal's standard error, a few lines in a pipe."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from ..engine.base import ImageProgress
from .output import err, note

Lines = AsyncGenerator[ImageProgress, None]
Follow = Callable[[Lines, str, bool], Awaitable[None]]

STEP: Final = 25  # percent between two lines in a pipe


async def follow_build(lines: Lines, ref: str, verbose: bool) -> None:
    title = f"Building {ref} …"
    if verbose or not err.is_terminal:
        note(title)
        async for line in lines:
            if verbose:
                note(line.text)
        return
    with err.status(title) as status:
        async for line in lines:
            last = line.text.splitlines()[-1:] or [""]
            status.update(f"{escape(title)} [dim]{escape(last[0])}[/dim]")


async def follow_pull(lines: Lines, ref: str, verbose: bool) -> None:
    title = f"Pulling {ref} …"
    if verbose or not err.is_terminal:
        note(title)
        await _tell(lines, verbose)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),  # it swings to and fro while the total is not known
        TextColumn("{task.fields[sentence]}", markup=False),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        bar = bars.add_task(title, total=None, sentence="")
        async for line in lines:
            bars.update(bar, completed=line.current, total=line.total, sentence=line.sentence)


async def _tell(lines: Lines, verbose: bool) -> None:
    told = None
    async for line in lines:
        step = None if line.percent is None else line.percent // STEP
        if verbose:
            note(line.text)
        elif step != told:
            note(line.sentence)
        told = step
