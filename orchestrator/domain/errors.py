"""What can go wrong, as the people who meet it understand it.

Each error has a stable `code`, a sentence saying what was wrong, and a `hint` saying what would be
right. `web/errors.py` maps them to responses; nothing else does.

Here is what the caller can put right; what is too much for now is in `limits_exceeded.py`, what
passes by itself or needs the operator in `outages.py`, what the engine says in `engine_errors.py`.
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
        self.shown = slug[:40]
        super().__init__(f"There is no distribution “{self.shown}”.")


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


class CrossSiteRequest(DistrosError):
    code = "cross_site_request"
    hint = "Open the site itself and try from there."


class OutdatedForm(DistrosError):
    code = "outdated_form"
    hint = "Please try once more."

    def __init__(self) -> None:
        super().__init__("This page was too old, or its cookie is gone.")


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
        self.shown = token_id[:40]
        super().__init__(f"There is no valid token “{self.shown}”.")


class UnknownVisitor(DistrosError):
    code = "unknown_visitor"
    hint = "Take the code from the admin page, or name one of their sites instead."

    def __init__(self, visitor: str) -> None:
        self.shown = visitor[:40]
        super().__init__(f"Nothing is remembered that “{self.shown}” has launched.")


class UnknownBan(DistrosError):
    code = "unknown_ban"
    hint = "`distros bans` shows those that there are."

    def __init__(self, ban_id: str) -> None:
        self.shown = ban_id[:40]
        super().__init__(f"There is no ban “{self.shown}”.")
