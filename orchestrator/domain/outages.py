"""What passes by itself or needs the operator: something is away or full, or the engine says no."""

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


class EngineError(DistrosError):
    """The engine answered, and said no."""

    code = "engine_error"


class NotRunning(EngineError):
    """Nothing can be executed in it: its container is gone, has ended, or is paused."""

    code = "not_running"
    hint = "Its page says what has become of it."

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"The instance {instance_id} does not run.")


class AddressInUse(EngineError):
    """Something that we did not start holds the address that an instance was given."""

    code = "address_in_use"
    hint = "Find the container with `docker network inspect`, and give it another address."


class ImageRefused(EngineError):
    code = "image_refused"
    hint = "`distros images scan` says what is wrong with it."


class CommandFailed(EngineError):
    """A program in an instance's container has ended with this status."""

    code = "command_failed"

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"It ended with status {status}{': ' if said else '.'}{said}")
        self.status = status


class PackingFailed(EngineError):
    """What should have written an archive wrote something else."""

    code = "packing_failed"
    hint = "Try again. Operators: the log has what the program of `take_away` said."

    def __init__(self) -> None:
        super().__init__("The site’s files could not be packed.")


class RuntimeUnknown(EngineError):
    code = "runtime_unknown"
    hint = "Install it and name it in Docker's daemon.json, or take `runtime` out of the file."

    def __init__(self, slug: str, runtime: str) -> None:
        super().__init__(f"The engine does not know the runtime “{runtime}” that {slug} asks for.")


class NoEgress(EngineError):
    code = "no_egress"
    hint = "Set DISTROS_EGRESS_SUBNET, then `make up`; or take `weaker.egress` out of the file."

    def __init__(self, slug: str) -> None:
        super().__init__(f"Instances may not reach the Internet here, which {slug} asks for.")


class DiskUnlimited(EngineError):
    code = "disk_unlimited"
    hint = (
        "Name the folders that it writes in `[tmpfs]`, move Docker to xfs with project quotas, or "
        "ask for `weaker.unlimited_disk`."
    )

    def __init__(self, slug: str) -> None:
        super().__init__(f"The engine cannot limit what {slug} would write on this machine's disk.")
