"""What is too much for now."""

from .errors import DistrosError


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
