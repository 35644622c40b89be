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


class RequestTimeout(DistrosError):
    code = "request_timeout"


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
        self.shown = host[:100]
        super().__init__(f"There is no site at “{self.shown}”.")


class NotRenewable(DistrosError):
    code = "not_renewable"
    hint = "Launch a new one."


class NotToTake(DistrosError):
    """Its files cannot be downloaded: its distribution does not want that, or it is not ready."""

    code = "not_to_take"
    hint = "That is possible while a site is ready, where its distribution allows it."


class IdempotencyConflict(DistrosError):
    code = "idempotency_conflict"
    hint = "Use a new Idempotency-Key for a different launch."


class Unauthorized(DistrosError):
    code = "unauthorized"
    hint = "Send a valid token as “Authorization: Bearer …”; `distros token` shows it."


class InvalidBackup(InvalidRequest):
    code = "invalid_backup"
    hint = "Send a file that `distros backup` has made. Nothing was changed."


class NotSupported(DistrosError):
    code = "not_supported"


class CrossSiteRequest(DistrosError):
    code = "cross_site_request"
    hint = "Open the site itself and try from there."


class OutdatedForm(DistrosError):
    code = "outdated_form"
    hint = "Please try once more."

    def __init__(self) -> None:
        super().__init__("This page was too old, or its cookie is gone.")


class LaunchFailed(DistrosError):
    """A launch that was waited for, and failed."""

    code = "launch_failed"
    hint = "Try again; `GET /api/v1/instances/{id}/logs` has the last lines of its output."


class InsufficientScope(DistrosError):
    code = "insufficient_scope"
    hint = "Use a token whose scope allows it."

    def __init__(self) -> None:
        super().__init__("This token may only read.")


class CaptchaRequired(DistrosError):
    code = "captcha_required"
    hint = "GET /api/v1/captcha says what to send in `captcha`; with a token none is needed."

    def __init__(self) -> None:
        super().__init__("The proof that this is no spam is missing.")


class CaptchaFailed(DistrosError):
    code = "captcha_failed"
    hint = "Each proof counts once, for a few minutes: try again with a new one."

    def __init__(self) -> None:
        super().__init__("The proof that this is no spam is not valid.")


class Banned(DistrosError):
    code = "banned"
    hint = "If you think that this is a mistake, write to the administrator."

    def __init__(self) -> None:
        super().__init__("No sites can be created from here any more.")


class RenewalBanned(NotRenewable):
    """Its visitor, their address or its distribution is banned."""

    code = "renewal_banned"
    hint = "It runs on to its end. If you think that this is a mistake, write to the administrator."

    def __init__(self) -> None:
        super().__init__("This site may not be renewed any more.")


class DistributionBanned(DistrosError):
    code = "distribution_banned"
    hint = "Pick another one."

    def __init__(self, slug: str) -> None:
        super().__init__(f"“{slug}” cannot be created here at the moment.")


class UnknownToken(DistrosError):
    code = "unknown_token"
    hint = "`distros token list` shows those that there are."

    def __init__(self, token_id: str) -> None:
        super().__init__(f"There is no valid token “{token_id[:40]}”.")


class UnknownVisitor(DistrosError):
    code = "unknown_visitor"
    hint = "Take the code from the admin page, or name one of their sites instead."

    def __init__(self, visitor: str) -> None:
        super().__init__(f"Nothing is remembered that “{visitor[:40]}” has launched.")


class UnknownBan(DistrosError):
    code = "unknown_ban"
    hint = "`distros bans` shows those that there are."

    def __init__(self, ban_id: str) -> None:
        super().__init__(f"There is no ban “{ban_id[:40]}”.")


# -- what is too much for now --


class TooMany(DistrosError):
    """More than one visitor, address or network may have. `retry_after` is in seconds."""

    code = "too_many_requests"
    retry_after: int = 5

    def __init__(self, message: str, *, hint: str, retry_after: int) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class TooManyLaunches(TooMany):
    code = "too_many_launches"

    def __init__(self, most: int, whose: str, retry_after: int) -> None:
        made = f"{_sites(most)} {'was' if most == 1 else 'were'} created"
        said = {
            "visitor": f"You have created {_sites(most)} in the last hour, as many as one may.",
            "address": f"From your internet address {made} in the last hour, as many as one may.",
            "network": f"From your network {made} in the last hour, as many as one may.",
        }
        when = f"The next one is possible in {in_words(retry_after)}."
        super().__init__(said[whose], hint=when, retry_after=retry_after)
        self.n, self.whose = most, whose


class TooManyInstances(TooMany):
    code = "too_many_instances"

    def __init__(self, most: int, whose: str, retry_after: int) -> None:
        said = {
            "visitor": f"You have {_sites(most)} already, as many as one may have at once.",
            "address": f"Your internet address has {_sites(most)} already, as many as one may "
            "have at once.",
        }
        when = f"Delete one, or wait: the next ends in {in_words(retry_after)}."
        super().__init__(said[whose], hint=when, retry_after=retry_after)
        self.n, self.whose = most, whose


class TooManyPatient(TooMany):
    """Launches without JavaScript, which costs nothing but patience, have a limit of their own."""

    code = "too_many_launches"

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(
            f"From your internet address {_sites(most)} came without JavaScript in the last hour, "
            "as many as may.",
            hint=f"The next is possible in {in_words(retry_after)}, or at once with JavaScript.",
            retry_after=retry_after,
        )
        self.n, self.whose = most, "patient"


class TooManyStreams(TooMany):
    code = "too_many_streams"

    def __init__(self) -> None:
        hint = "Close a page or a stream; the state can be asked for without one."
        super().__init__("Too many event streams are open.", hint=hint, retry_after=5)


class TooManyTakeAways(TooMany):
    code = "too_many_take_aways"

    def __init__(self) -> None:
        hint = "Wait until it is finished, or cancel it."
        super().__init__("A download of yours is under way already.", hint=hint, retry_after=10)


class TooManyTerminals(TooMany):
    code = "too_many_terminals"

    def __init__(self, whose: str) -> None:
        """The limit's: "visitor", "address", or "all"."""
        message, hint = {
            "visitor": ("You have too many terminals open.", "Close one, then try again."),
            "address": ("Too many terminals are open from your address.", "Close one of them."),
            "all": ("All terminals are taken.", "Try again in a few minutes."),
        }[whose]
        super().__init__(message, hint=hint, retry_after=60)
        self.whose = whose


class TooManyAttempts(TooMany):
    code = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        hint = f"Wait {in_words(retry_after)}, then use a valid one."
        super().__init__(
            "Too many wrong tokens came from there.", hint=hint, retry_after=retry_after
        )


class SignInBusy(TooMany):
    code = "sign_in_busy"

    def __init__(self) -> None:
        hint = "Wait a few seconds, then try again; the admin’s token works at once."
        super().__init__("Many passwords are being checked.", hint=hint, retry_after=5)


def _sites(count: int) -> str:
    return "1 site" if count == 1 else f"{count} sites"


def in_words(seconds: int) -> str:
    """ "1 second", "45 seconds", "2 minutes": never less than it is."""
    count, unit = (seconds, "second") if seconds < 60 else (-(-seconds // 60), "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


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


# -- what the engine says --


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
