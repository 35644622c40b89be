"""Proof that a launch is no spam, checked before anything else is spent on it.

Whoever has a token needs none. What cannot be checked, or not within three seconds, is refused.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from ...domain.models import Caller

Kind = Literal["none", "altcha", "recaptcha", "hcaptcha", "turnstile"]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A number below `maxnumber` is wanted, of which SHA-256(salt + number) is `challenge`."""

    algorithm: str
    challenge: str
    maxnumber: int
    salt: str
    signature: str


@dataclass(frozen=True, slots=True)
class Widget:
    """A provider's own script, its element, and the form field that it fills in."""

    script: str
    css_class: str
    field: str
    site_key: str
    sources: tuple[str, ...]  # for the content security policy


class CaptchaVerifier(Protocol):
    kind: Kind
    widget: Widget | None  # of a provider outside

    def challenge(self) -> Challenge | None:
        """A new one, where we make them ourselves."""

    def patience(self) -> str:
        """A one-time proof for a form without JavaScript; "" where there is none."""

    async def verify(self, proof: str, caller: Caller) -> None:
        """Raises CaptchaRequired, CaptchaFailed, CaptchaUnavailable, TooManyPatient."""

    async def close(self) -> None: ...


class NoCaptcha:
    """For development and tests."""

    kind: Kind = "none"
    widget: Widget | None = None

    def challenge(self) -> Challenge | None:
        return None

    def patience(self) -> str:
        return ""

    async def verify(self, proof: str, caller: Caller) -> None: ...

    async def close(self) -> None: ...
