"""The process has been told to leave: whoever only waits, for a change or a launch, stops waiting.

Launches and removals that are under way are not waited for. Their rows say how far they have come,
and the next process goes on with them (docs/decisions/0012).
"""

from contextlib import AbstractAsyncContextManager

from ..timeouts import Timeouts


class Stopping:
    def __init__(self) -> None:
        self.begun = False
        self._timeouts = Timeouts[None]()

    def begin(self) -> None:
        """From now on every `timeout` is over."""
        self.begun = True
        self._timeouts.end(None)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[None]:
        """Raises TimeoutError after so many seconds (None: never), or when the process is to
        leave."""
        return self._timeouts.timeout(None, 0 if self.begun else seconds)
