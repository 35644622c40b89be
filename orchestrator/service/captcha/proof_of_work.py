"""ALTCHA: the browser does a little work while its visitor reads. Nobody else is asked.

A browser without JavaScript cannot work, so it waits: its form carries a signed one-time text, and
the answer to it is held back until the text is some seconds old. That costs a spammer less than
work, so there may be only a few of it from one address in an hour (`launches_without_javascript`).
"""

import asyncio
import base64
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from altcha.v1 import create_challenge, verify_solution
from itsdangerous import BadSignature, Signer
from pydantic import SecretStr

from ...domain.errors import CaptchaFailed, CaptchaRequired
from ...domain.models import Caller
from ...store.safeguards import Safeguards
from ..ledger import Clock
from . import Challenge, Kind, Widget

LIFETIME: Final = timedelta(minutes=10)  # of a challenge; captcha.js takes a new one in time
PATIENCE_LIFETIME: Final = timedelta(hours=2)  # of a form without JavaScript
PATIENCE: Final = 3.0  # seconds from the page to the launch, at least
PATIENT: Final = "patience."  # with which such a proof begins


class ProofOfWork:
    kind: Kind = "altcha"
    widget: Widget | None = None

    def __init__(
        self,
        safeguards: Safeguards,
        now: Clock,
        *,
        secret_key: SecretStr,
        complexity: int,
        patient_launches: int,
    ) -> None:
        secret = secret_key.get_secret_value().encode()
        self._key = hmac.digest(secret, b"altcha", "sha256")
        self._signer = Signer(secret, salt="patience")
        self._safeguards = safeguards
        self._now = now
        self._complexity = complexity
        self._patient_launches = patient_launches

    def challenge(self) -> Challenge | None:
        made = create_challenge(
            algorithm="SHA-256",
            max_number=self._complexity,
            salt_length=12,
            hmac_key=self._key,
            salt="",
            number=None,
            expires=self._now() + LIFETIME,
            params=None,
        )
        return Challenge(
            made.algorithm, made.challenge, self._complexity, made.salt, made.signature
        )

    def patience(self) -> str:
        return (
            PATIENT
            + self._signer.sign(f"{self._now().timestamp():.3f}.{secrets.token_hex(8)}").decode()
        )

    async def verify(self, proof: str, caller: Caller) -> None:
        if not proof:
            raise CaptchaRequired
        if proof.startswith(PATIENT):
            await self._verify_patience(proof.removeprefix(PATIENT), caller)
        else:
            await self._verify_work(proof)

    async def _verify_work(self, proof: str) -> None:
        try:
            right, _ = verify_solution(proof, self._key, check_expires=False)
            solved = json.loads(base64.b64decode(proof)) if right else {}
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
            right, solved = False, {}
        if not right:
            raise CaptchaFailed
        # The salt is signed, so its only `expires` is ours; what is spent is the challenge, whose
        # solution may be written in several ways.
        expires = int(solved["salt"].partition("expires=")[2].partition("&")[0])
        until = datetime.fromtimestamp(expires, UTC)
        await self._spend(solved["challenge"], until)

    async def _verify_patience(self, signed: str, caller: Caller) -> None:
        try:
            text = self._signer.unsign(signed).decode()
        except BadSignature as error:
            raise CaptchaFailed from error
        made = datetime.fromtimestamp(float(text.rpartition(".")[0]), UTC)
        await self._spend(
            text,
            made + PATIENCE_LIFETIME,
            bucket=f"patience {caller.address}",
            most=self._patient_launches,
        )
        await asyncio.sleep(PATIENCE - (self._now() - made).total_seconds())

    async def _spend(self, key: str, until: datetime, *, bucket: str = "", most: int = 0) -> None:
        now = self._now()
        if until <= now or not await self._safeguards.spend(
            key, now=now, until=until, bucket=bucket, most=most
        ):
            raise CaptchaFailed

    async def close(self) -> None: ...
