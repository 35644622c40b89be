"""What passes by itself or needs the operator."""

from .errors import DistrosError


class Unavailable(DistrosError):
    """Something outside is away or full. `retry_after` is in seconds."""

    code = "unavailable"
    hint = "Try again in a moment."
    retry_after: int = 10


class EngineUnavailable(Unavailable):
    code = "engine_unavailable"
    hint = "Running sites are not touched. Operators: “distros doctor” tells more."


class ProxyUnavailable(Unavailable):
    code = "proxy_unavailable"
    hint = "Try again in a moment. Operators: “distros doctor” tells more."


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class CaptchaUnavailable(Unavailable):
    """Fails closed: what cannot be checked is not launched."""

    code = "captcha_unavailable"

    def __init__(self) -> None:
        super().__init__("The proof that this is no spam cannot be checked right now.")


class LaunchesPaused(Unavailable):
    code = "launches_paused"
    hint = "Sites that run are not touched. Please come back later."
    retry_after = 300

    def __init__(self, reason: str) -> None:
        super().__init__(f"No new sites can be created right now: {reason}")
        self.reason = reason


class UnderPressure(Unavailable):
    """The machine has no room for another instance."""

    code = "under_pressure"
    hint = "Try again in a minute. Operators: “distros doctor” tells more."
    retry_after = 60


class TakeAwaysBusy(Unavailable):
    code = "take_aways_busy"
    hint = "Try again in a minute."
    retry_after = 60

    def __init__(self) -> None:
        super().__init__("Many sites are being downloaded right now.")


class CapacityReached(Unavailable):
    code = "capacity_reached"
    hint = "Try again when a site has ended."

    def __init__(self, capacity: int, queue_limit: int, retry_after: int) -> None:
        taken = "The only place is" if capacity == 1 else f"All {capacity} places are"
        queue = " and the queue is full" if queue_limit else ""
        super().__init__(f"{taken} taken{queue}.")
        self.n = capacity
        self.retry_after = retry_after


class ImageMissing(Unavailable):
    code = "image_missing"
    hint = "The operator can make it with `distros images build` or `distros images pull`."
    retry_after = 300

    def __init__(self, slug: str) -> None:
        super().__init__(f"The image of “{slug}” is not on this server yet.")


class LaunchFailed(DistrosError):
    """A launch that was waited for, and failed."""

    code = "launch_failed"
    hint = "Try again; `GET /api/v1/instances/{id}/logs` has the last lines of its output."


class NotSupported(DistrosError):
    code = "not_supported"
