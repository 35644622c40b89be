"""reCAPTCHA, hCaptcha and Turnstile: their scripts make a token, their servers check it.

All three speak the same protocol: a POST of `secret` and `response` is answered with `success` and
the `hostname` on which the visitor was. The visitor's address is not passed on.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
from pydantic import SecretStr

from ...domain.errors import CaptchaFailed, CaptchaRequired
from ...domain.models import Caller
from ...domain.outages import CaptchaUnavailable
from ...store.safeguards import Safeguards
from ..ledger import Clock
from . import Challenge, Kind, Widget

DEADLINE: Final = 3.0  # seconds, for all of the provider's answer
LONGEST_TOKEN: Final = timedelta(minutes=10)  # no provider's token is valid for longer


@dataclass(frozen=True, slots=True)
class Provider:
    verify_url: str
    script: str
    css_class: str
    field: str
    sources: tuple[str, ...]


PROVIDERS: Final[dict[Kind, Provider]] = {
    "recaptcha": Provider(
        "https://www.google.com/recaptcha/api/siteverify",
        "https://www.google.com/recaptcha/api.js",
        "g-recaptcha",
        "g-recaptcha-response",
        ("https://www.google.com/recaptcha/", "https://www.gstatic.com/recaptcha/"),
    ),
    "hcaptcha": Provider(
        "https://api.hcaptcha.com/siteverify",
        "https://js.hcaptcha.com/1/api.js",
        "h-captcha",
        "h-captcha-response",
        ("https://hcaptcha.com", "https://*.hcaptcha.com"),
    ),
    "turnstile": Provider(
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        "cf-turnstile",
        "cf-turnstile-response",
        ("https://challenges.cloudflare.com",),
    ),
}


class SiteVerify:
    def __init__(
        self,
        safeguards: Safeguards,
        now: Clock,
        *,
        kind: Kind,
        site_key: str,
        secret: SecretStr,
        hostname: str,
        verify_url: str | None = None,
    ) -> None:
        provider = PROVIDERS[kind]
        self.kind = kind
        self.widget: Widget | None = Widget(
            provider.script, provider.css_class, provider.field, site_key, provider.sources
        )
        self._safeguards = safeguards
        self._now = now
        self._url = verify_url or provider.verify_url
        self._secret = secret
        self._hostname = hostname
        self._http = httpx.AsyncClient(timeout=DEADLINE, follow_redirects=False)

    def challenge(self) -> Challenge | None:
        return None

    def patience(self) -> str:
        return ""

    async def verify(self, proof: str, caller: Caller) -> None:
        if not proof:
            raise CaptchaRequired
        answer = await self._ask(proof)
        if answer.get("success") is not True or answer.get("hostname") != self._hostname:
            raise CaptchaFailed
        now = self._now()
        key = hashlib.sha256(proof.encode()).hexdigest()
        if not await self._safeguards.spend(key, now=now, until=now + LONGEST_TOKEN):
            raise CaptchaFailed

    async def _ask(self, proof: str) -> dict[str, Any]:
        form = {"secret": self._secret.get_secret_value(), "response": proof}
        try:
            async with asyncio.timeout(DEADLINE):
                answer = (await self._http.post(self._url, data=form)).raise_for_status().json()
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise CaptchaUnavailable from error
        if not isinstance(answer, dict):
            raise CaptchaUnavailable
        return answer

    async def close(self) -> None:
        await self._http.aclose()
