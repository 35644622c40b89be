"""What can go wrong, as the people who meet it understand it.

Each error has a stable `code`, a sentence saying what was wrong, and a `hint` saying what would be
right. `web/errors.py` maps them to responses; nothing else does.
"""

from typing import ClassVar


class DistrosError(Exception):
    code: ClassVar[str] = "internal"
    hint: str = "Try again; if it happens again, tell the administrator."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


# -- what the caller can put right --


class InvalidRequest(DistrosError):
    code = "invalid_request"
    hint = "See /api/openapi.json for what is accepted."


class MalformedRequest(DistrosError):
    code = "malformed_request"


class UnsupportedMediaType(DistrosError):
    code = "unsupported_media_type"


class RequestTooLarge(DistrosError):
    code = "request_too_large"


class InvalidName(InvalidRequest):
    code = "invalid_name"
    hint = "Use 1 to 32 letters, digits and hyphens, beginning and ending with a letter or digit."

    def __init__(self, typed: str) -> None:
        self.shown = typed if len(typed) <= 40 else typed[:40] + "…"
        super().__init__(f"“{self.shown}” cannot become a subdomain.")


class InvalidLifetime(InvalidRequest):
    code = "invalid_lifetime"

    def __init__(self, seconds: float, minimum: int, maximum: int) -> None:
        super().__init__(
            f"A lifetime of {seconds:g} s is not possible here.",
            hint=f"Ask for {minimum} to {maximum} seconds.",
        )


class UnknownDistribution(DistrosError):
    code = "unknown_distribution"
    hint = "GET /api/v1/distributions lists what can be launched."

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no distribution “{slug[:40]}”.")


class UnknownInstance(DistrosError):
    """Also raised for an instance of somebody else: that it exists is nobody else's business."""

    code = "unknown_instance"
    hint = "It may be long gone, or belong to another visitor."

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"There is no instance “{instance_id[:40]}”.")


class UnknownHost(DistrosError):
    code = "unknown_host"
    hint = "Check the address; the site is at its own."

    def __init__(self, host: str) -> None:
        super().__init__(f"There is no site at “{host[:100]}”.")


class NotRenewable(DistrosError):
    code = "not_renewable"
    hint = "Launch a new one."


class IdempotencyConflict(DistrosError):
    code = "idempotency_conflict"
    hint = "Use a new Idempotency-Key for a different launch."


class Unauthorized(DistrosError):
    code = "unauthorized"
    hint = "Send a valid token as “Authorization: Bearer …”; `distros token` shows it."


class CrossSiteRequest(DistrosError):
    code = "cross_site_request"
    hint = "Open the site itself and try from there."


class LaunchFailed(DistrosError):
    """A launch that was waited for, and failed."""

    code = "launch_failed"
    hint = "Try again; `GET /api/v1/instances/{id}/logs` has the last lines of its output."


# -- what passes by itself or needs the operator --


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


# -- what the engine says --


class EngineError(DistrosError):
    """The engine answered, and said no."""

    code = "engine_error"


class ImageRefused(EngineError):
    code = "image_refused"
    hint = "Build the image without `traefik.*` and `distros.*` labels."
