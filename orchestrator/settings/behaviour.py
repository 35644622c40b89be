"""How it behaves."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ByteSize, Field
from pydantic_settings import BaseSettings

from ..domain.fields import Duration, PositiveDuration
from .fields import written_as

ROOT: Final = Path(__file__).resolve().parents[2]


class BehaviourSettings(BaseSettings):
    start_concurrency: int = Field(
        default=3, ge=1, le=64, description="Containers started at the same time; others queue."
    )
    pool_reserve: ByteSize = Field(
        default=ByteSize(1024**3),
        description="Memory that the pool leaves free: it does not grow into it, and shrinks when "
        "there is less.",
        examples=["1GiB"],
    )
    disk_reserve: ByteSize = Field(
        default=ByteSize(2 * 1024**3),
        description="Room that is kept free on the disk of the database and, where it can be seen, "
        "of the Docker Engine: with less of it, launches are refused. 0 for none.",
        examples=["2GiB"],
    )
    memory_reserve: ByteSize = Field(
        default=ByteSize(512 * 1024**2),
        description="Memory of this machine that is kept free: with less of it, launches that the "
        "pool does not serve are refused. 0 for none.",
        examples=["512MiB"],
    )
    bring_images: bool = Field(
        default=True,
        description="Whether the service pulls or builds the images that are missing when it "
        "starts, beside its other work.",
    )
    engine_timeout: PositiveDuration = Field(
        default=timedelta(seconds=30), description="Deadline of one call to the engine."
    )
    relist_interval: PositiveDuration = Field(
        default=timedelta(seconds=40),
        description="How often everything is listed anew, whatever the events said. Above `40s` "
        "what a silent engine has hidden may be found later than a minute afterwards.",
    )
    synthetic_interval: Duration = Field(
        default=timedelta(minutes=5),
        description="How often the service launches, reads and deletes a small site of its own, to "
        "know whether all of that works. `0s` for never.",
    )
    synthetic_distribution: Annotated[
        str,
        written_as(
            r"[a-z][a-z0-9-]{0,30}[a-z0-9]",
            "must be the name of a distribution's folder, such as hello",
        ),
    ] = Field(
        default="hello",
        description="Of which distribution that site is. The smaller, the better.",
    )
    history: PositiveDuration = Field(
        default=timedelta(hours=168),
        description="How long an ended instance and its log are remembered.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto`: JSON unless standard output is a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lines below this level are left out."
    )
    distributions_dir: Path = Field(
        default=ROOT / "distributions",
        description="The catalogue's folder, on this machine: `make up` gives it to the services "
        "that read it. Everybody must be able to read what is in it.",
    )
    frontend_dir: Path = Field(default=ROOT / "frontend", description="Templates and static files.")
