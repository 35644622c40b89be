"""A launch's stages as they pass, on a terminal's standard error; nothing elsewhere."""

from types import TracebackType
from typing import Self

from rich.markup import escape

from ..client import Document
from ..domain.models import Stage
from .output import err

SENTENCES = {
    Stage.QUEUED: "waiting for its turn",
    Stage.IMAGE: "looking for the image",
    Stage.CONTAINER: "starting the container",
    Stage.BOOTING: "waiting for the site to answer",
    Stage.CHECKING: "checking the site's answer",
}


class Progress:
    def __init__(self) -> None:
        self._status = err.status("Launching …") if err.is_terminal else None
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, instance: Document) -> None:
        """Each stage that has passed gets a line with its time; the current one is live."""
        if self._status is None:
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
            text = SENTENCES[stage] + (f" ({told})" if told else "")
            self._status.update(f"{stage}: {escape(text)}")


def wait_told(instance: Document) -> str | None:
    """Such as "about 12 s, 30 s at worst"; None where nobody can say."""
    if not (estimate := instance.get("estimate")):
        return None
    usual, at_worst = round(estimate["usual"]), round(estimate["at_worst"])
    return f"about {usual} s" + (f", {at_worst} s at worst" if at_worst > usual else "")
