"""The documents of the API's admin part."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from ..domain.safeguards import AuditEntry, Ban, BanKind, Pause, Scope, Token
from ..service.captcha import Challenge, Kind
from .schemas import Document, whole

# Text for people: no control characters, which terminals might obey.
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
Seconds = Annotated[int, Field(strict=True, ge=60, le=10 * 365 * 86_400), BeforeValidator(whole)]


# What these must look like is checked where their sentences are (`takedown.py`, `Safety.visitor`).
Visitor = Annotated[Line, WithJsonSchema({"type": "string", "pattern": "^[Vv]-[0-9a-fA-F]{8,32}$"})]
Address = Annotated[
    Line,
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"pattern": "^[0-9a-f]{32}$"}],
        }
    ),
]
KINDS: Final = ("visitor", "address", "distribution", "instance")


class Request(Document):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChallengeDocument(Document):
    """A number up to `maxnumber` is wanted of which SHA-256(salt + number), in hexadecimal digits,
    is `challenge`. The proof is all of this with `number`, as JSON in base64."""

    algorithm: Literal["SHA-256"]
    challenge: str
    maxnumber: int
    salt: str
    signature: str

    @classmethod
    def of(cls, challenge: Challenge) -> Self:
        return cls(
            algorithm="SHA-256",
            challenge=challenge.challenge,
            maxnumber=challenge.maxnumber,
            salt=challenge.salt,
            signature=challenge.signature,
        )


class CaptchaDocument(Document):
    kind: Kind = Field(description="`none`: a launch needs no proof.")
    challenge: ChallengeDocument | None = Field(description="For `altcha`; each counts once.")
    site_key: str | None = Field(description="For the services; their script makes the proof.")


class TokenRequest(Request):
    name: Annotated[Line, Field(max_length=100)] = Field(description="What it is for.")
    scope: Scope
    expires_in: Seconds | None = Field(default=None, description="Seconds; never where left out.")


class TokenDocument(Document):
    id: str
    name: str
    scope: Scope
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None
    valid: bool

    @classmethod
    def of(cls, token: Token, now: datetime) -> Self:
        names = set(cls.model_fields) - {"valid"}
        values = {name: getattr(token, name) for name in names}
        return cls(**values, valid=token.is_valid(now))


class NewTokenDocument(TokenDocument):
    token: str = Field(description="The token itself. Nobody can read it again.")


class TokenList(Document):
    tokens: list[TokenDocument]


class BanRequest(Request):
    """One of `visitor`, `address`, `distribution`, or `instance`: whoever launched that one."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "string"}}} for name in KINDS
            ]
        },
    )

    visitor: Visitor | None = Field(
        default=None, description="Their code, or enough of its beginning, such as `v-1a2b3c4d`."
    )
    address: Address | None = Field(
        default=None,
        description="IPv4, or IPv6, of which its /64; or what the admin page knows one by.",
    )
    distribution: Line | None = Field(default=None, description="Slug.")
    instance: Line | None = Field(default=None, description="Id.")
    reason: Line = "No reason was given."

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if sum(bool(getattr(self, name)) for name in KINDS) != 1:
            raise ValueError(f"one of {', '.join(KINDS)} must be named")
        return self


class BanDocument(Document):
    id: str
    kind: BanKind
    shown: str = Field(description="Who or what, in words.")
    reason: str
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, ban: Ban) -> Self:
        return cls(**{name: getattr(ban, name) for name in cls.model_fields})


class BanList(Document):
    bans: list[BanDocument]


class TakedownRequest(BanRequest):
    ban: bool = Field(default=False, description="Ban whoever launched them, or the distribution.")


class TakedownDocument(Document):
    stopped: list[str] = Field(description="Ids of the instances that were ended.")
    bans: list[BanDocument]


class PauseRequest(Request):
    reason: Line = Field(description="Visitors read it.")


class PauseDocument(Document):
    paused: bool
    reason: str | None = None
    since: datetime | None = None
    by: str | None = None

    @classmethod
    def of(cls, pause: Pause | None) -> Self:
        if pause is None:
            return cls(paused=False)
        return cls(paused=True, reason=pause.reason, since=pause.since, by=pause.by)


class AuditDocument(Document):
    at: datetime
    actor: str = Field(description="`admin token`, `admin page`, or `token`, its name and its id.")
    address: str = Field(description="From which it was asked for; empty where not known.")
    action: str
    target: str
    result: str = Field(description="`ok`, or the problem's code.")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class AuditList(Document):
    entries: list[AuditDocument]
