"""What the engine says."""

from .errors import DistrosError


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
