"""A launch's stages as they pass, on a terminal's standard error; nothing elsewhere."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from ..connection import Document
from ..domain.models import Stage
from .output import err

REST = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # what bar and time leave
SENTENCES = {
    Stage.QUEUED: "waiting for its turn",
    Stage.IMAGE: "looking for the image",
    Stage.CONTAINER: "starting the container",
    Stage.BOOTING: "waiting for the site to answer",
    Stage.CHECKING: "checking the site's answer",
}


class ByTheClock(BarColumn):
    """How much of the time has passed that a launch usually takes; it swings to and fro where
    nobody can say."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        if task.total is not None:
            bar.completed = min(task.elapsed or 0.0, task.total)
        return bar


class Elapsed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.elapsed or 0:5.1f} s", "dim")


class Progress:
    def __init__(self) -> None:
        self._told: set[str] = set()
        self._bars: Bars | None = None
        if err.is_terminal:
            columns = (
                ByTheClock(bar_width=16),
                Elapsed(),
                TextColumn("{task.description}", markup=False, table_column=REST),
            )
            self._bars = Bars(*columns, console=err, transient=True, expand=True)
            self._bar = self._bars.add_task("Launching …", total=None)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, instance: Document) -> None:
        """Each stage that has passed gets a line with its time; the current one is live."""
        if self._bars is None:
            return
        stage = Stage(instance["stage"])
        for passed, seconds in instance["timings"].items():
            if passed not in self._told and passed != stage:
                self._told.add(passed)
                err.print(f"{passed:<10}{seconds:6.2f} s", style="dim")
        if stage in SENTENCES:
            position = instance.get("queue_position")
            detail = f"number {position} in the queue" if position else instance["detail"]
            told = ", ".join(filter(None, [detail, wait_told(instance)]))
            sentence = SENTENCES[stage] + (f" ({told})" if told else "")
            self._bars.update(
                self._bar, description=f"{stage}: {sentence}", total=self._in_all(instance)
            )

    def _in_all(self, instance: Document) -> float | None:
        """Seconds from the start of the command to a ready site, as a rule."""
        assert self._bars is not None
        if not (estimate := instance.get("estimate")):
            return None
        return (self._bars.tasks[self._bar].elapsed or 0.0) + float(estimate["usual"])


def wait_told(instance: Document) -> str | None:
    """Such as "about 12 s, 30 s at worst"; None where nobody can say."""
    if not (estimate := instance.get("estimate")):
        return None
    usual, at_worst = round(estimate["usual"]), round(estimate["at_worst"])
    return f"about {usual} s" + (f", {at_worst} s at worst" if at_worst > usual else "")
