"""The one way in which the guard says no."""


class Refused(Exception):
    """What was asked for goes beyond what the orchestrator needs; the message says why."""

    def __init__(self, reason: str, *, status: int = 403) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
