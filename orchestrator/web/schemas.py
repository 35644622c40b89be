"""The API's documents. The OpenAPI description is made from these."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..domain.differences import Difference, Kind
from ..domain.measures import Percentiles, Startup
from ..domain.models import Reason, Stage, State


class Document(BaseModel):
    model_config = ConfigDict(frozen=True)


def whole(value: object) -> object:
    """JSON knows one kind of number: to it 60.0 is as whole as 60."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class LaunchRequest(Document):
    model_config = ConfigDict(frozen=True, extra="forbid")

    distribution: str = Field(description="Slug, as `GET /distributions` lists it.", max_length=64)
    name: str | None = Field(
        default=None,
        max_length=200,
        description="Site name; becomes the first part of the subdomain. 1 to 32 letters, digits "
        "and hyphens are left of it.",
    )
    lifetime: (
        Annotated[int, Field(strict=True, ge=1, le=1_000_000), BeforeValidator(whole)] | None
    ) = Field(
        default=None, description="Seconds the instance lives once ready; the usual where left out."
    )
    captcha: str = Field(
        default="",
        max_length=8192,
        description="The proof that `GET /captcha` asks for; with a token none is needed.",
    )


class RestoredDocument(Document):
    instances: int = Field(description="Rows there are now; those that have ended count too.")
    carried_over: int = Field(description="Live instances that go on as they were.")
    owners_back: int = Field(
        description="Of those, such as had lost their owner with an earlier database."
    )


class LoginDocument(Document):
    url: str = Field(description="The sign-in page.")
    user: str
    password: str
    link: str | None = Field(
        description="Signs in whoever opens it first; from then on it leads to the sign-in page. "
        "null where the site has none."
    )


class LinksDocument(Document):
    admin: str | None = Field(default=None, description="The site's administration page.")
    database: str | None = Field(
        default=None,
        description="Leads to its database tool, for the visitor who launched it.",
    )
    terminal: str | None = Field(
        default=None, description="A page of ours, for the visitor who launched it."
    )


class EstimateDocument(Document):
    """Seconds until the site is ready, from what was measured and the ends that are known."""

    usual: float = Field(description="Every second launch takes no longer.")
    at_worst: float = Field(description="Nine of ten launches take no longer.")

    @classmethod
    def of(cls, usual: float, at_worst: float) -> Self:
        return cls(usual=round(usual, 1), at_worst=round(at_worst, 1))


class InstanceDocument(Document):
    id: str
    distribution: str = Field(description="Slug.")
    name: str | None
    url: str = Field(description="The site's address; it answers once `state` is `ready`.")
    state: State
    stage: Stage = Field(description="How far the launch has come.")
    reason: Reason | None = Field(description="Why it ended, or is ending.")
    detail: str | None = Field(description="A sentence on the stage or the ending.")
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime = Field(
        description="When the lease ends; until the instance is ready, when it ends at the latest."
    )
    ended_at: datetime | None
    lifetime: int = Field(description="Seconds.")
    renewable: bool = Field(description="Whether a renewal now gives more time.")
    renewable_until: datetime | None = Field(
        default=None,
        description="The end that no renewal gets past; null where none gives more time.",
    )
    queue_position: int | None = Field(description="1 is next; null where it does not queue.")
    estimate: EstimateDocument | None = Field(
        description="While it is on its way; null where nobody can say."
    )
    login: LoginDocument | None
    links: LinksDocument
    take_away: bool = Field(
        default=False, description="Whether its owner can download its files and database now."
    )
    timings: dict[str, float] = Field(description="Seconds spent in each stage.")
    container: str | None = Field(
        default=None, description="What Docker calls it; told to whoever may see everything."
    )


class InstanceList(Document):
    instances: list[InstanceDocument]


class PercentilesDocument(Document):
    """Seconds."""

    count: int
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, measured: Percentiles) -> Self:
        return cls(**asdict(measured))


class StartupDocument(Document):
    """How long the latest starts took, once it was their turn."""

    total: PercentilesDocument
    stages: dict[str, PercentilesDocument]

    @classmethod
    def of(cls, measured: Startup) -> Self:
        stages = {name: PercentilesDocument.of(each) for name, each in measured.stages.items()}
        return cls(total=PercentilesDocument.of(measured.total), stages=stages)


class DistributionDocument(Document):
    slug: str
    name: str
    summary: str
    version: str
    homepage: str
    category: str
    lifetime: int = Field(description="Seconds.")
    available: bool = Field(
        description="Whether it can be launched: its image is here, or comes with the launch."
    )
    coming: str | None = Field(description="How far a missing image has come that is on its way.")
    startup: StartupDocument | None = Field(description="Null where nothing was measured yet.")


class DistributionList(Document):
    distributions: list[DistributionDocument]


class PoolDocument(Document):
    """One distribution's instances that nobody has claimed yet."""

    distribution: str = Field(description="Slug.")
    ready: int
    starting: int
    target: int = Field(description="How many there should be now, as demand and memory say.")
    min: int
    max: int


class PoolList(Document):
    pool: list[PoolDocument]


class DifferenceDocument(Document):
    """Something on which engine, store and proxy do not agree."""

    kind: Kind
    instance: str | None = Field(description="Its id, where the container says it.")
    container: str | None = Field(description="Its name, or the route's.")
    engine: str = Field(description="What each of the three says, in a few words.")
    store: str
    proxy: str
    since: datetime = Field(description="When it was first seen.")
    reason: str
    repair: str = Field(description="What is done about it.")

    @classmethod
    def of(cls, difference: Difference) -> Self:
        return cls(
            kind=difference.kind,
            instance=difference.instance_id or None,
            container=difference.container or None,
            engine=difference.engine,
            store=difference.store,
            proxy=difference.proxy,
            since=difference.since,
            reason=difference.reason,
            repair=difference.repair,
        )


class DifferenceList(Document):
    compared_at: datetime | None = Field(
        description="When all was last compared; null before the first time."
    )
    differences: list[DifferenceDocument]


class StatsDocument(Document):
    capacity: int
    live: int = Field(description="Instances that hold a place now, the pool's included.")
    pooled: int = Field(description="Of those, nobody's yet.")
    queued: int = Field(description="Launches that wait for a place or a turn.")
    by_state: dict[str, int]
    launches: dict[str, int] = Field(description="By distribution, as far back as is remembered.")
    endings: dict[str, int] = Field(description="By reason.")
    startup: dict[str, PercentilesDocument] = Field(
        description="Seconds from launch to ready, by distribution."
    )


class Problem(Document):
    """RFC 9457."""

    type: str = Field(description="`about:blank`; `code` tells problems apart.")
    title: str
    status: int
    detail: str = Field(description="What was wrong.")
    code: str = Field(description="Stable, for programs.")
    hint: str | None = Field(default=None, description="What would be right.")
    request_id: str | None = Field(default=None, description="As in the service's log.")


class HealthDocument(Document):
    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = Field(description="`ok`, or a sentence, for each part.")
