"""The keys of `POST /containers/create` that pass, and their values. Pure.

They are those that `engine/container.py` sends, with the values that keep the container a sandbox.
A key that is not here (Privileged, Binds, Mounts, Devices, PidMode …) is refused whatever its
value, and one that only a newer engine knows too.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..domain.fields import MOUNT_PATH
from ..engine.container import CPU_SHARES

Nothing = Literal[None, "", False] | Annotated[list[None], Field(max_length=0)]
Words = list[Annotated[str, StringConstraints(max_length=4096)]]
Size = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,14}[bkmg]?$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
# Only what makes it smaller, besides `exec`; a mount option that is not here is not known to be
# harmless.
TmpfsOptions = Annotated[
    str,
    StringConstraints(
        pattern=r"^rw,nosuid,nodev(,(no)?exec|,mode=[0-7]{3,4}|,[ug]id=[0-9]{1,9}"
        r"|,size=[1-9][0-9]{0,14}[kmg]?|,nr_inodes=[1-9][0-9]{0,14}[kmg]?)*$"
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _RestartPolicy(_Model):
    Name: Literal["", "no"] = "no"
    MaximumRetryCount: Literal[0] | None = None


class _Ulimit(_Model):
    Name: Literal["nofile", "nproc", "core", "fsize", "memlock"]
    Soft: Annotated[int, Field(ge=0, le=2**40)]
    Hard: Annotated[int, Field(ge=0, le=2**40)]


class _LogConfig(_Model):
    """None of the drivers that send a log elsewhere."""

    Type: Literal["json-file", "local", "none"]
    Config: dict[Literal["max-size", "max-file", "compress"], Annotated[str, Field(max_length=8)]]


class _HostConfig(_Model):
    NetworkMode: str
    Dns: list[str] | None = None
    CapDrop: tuple[Literal["ALL"]] = Field(strict=False)
    CapAdd: list[str] | None = None
    SecurityOpt: tuple[Literal["no-new-privileges", "no-new-privileges:true"]] = Field(strict=False)
    Memory: Annotated[int, Field(ge=4 * 1024**2)]
    MemorySwap: Annotated[int, Field(ge=4 * 1024**2)]
    PidsLimit: Annotated[int, Field(ge=1, le=32768)]
    LogConfig: _LogConfig
    NanoCpus: Annotated[int, Field(ge=0)] | None = None
    CpuShares: Annotated[int, Field(ge=2, le=CPU_SHARES)] | None = None
    OomScoreAdj: Annotated[int, Field(ge=0, le=1000)] | None = None  # sooner than others, not later
    ShmSize: Annotated[int, Field(ge=1, le=1024**3)] | None = None
    StorageOpt: dict[Literal["size"], Size] | None = None
    Ulimits: list[_Ulimit] | None = None
    Tmpfs: (
        dict[Annotated[str, StringConstraints(pattern=MOUNT_PATH, max_length=200)], TmpfsOptions]
        | None
    ) = None
    RestartPolicy: _RestartPolicy | None = None
    Init: bool | None = None
    AutoRemove: bool | None = None
    ReadonlyRootfs: bool | None = None
    IpcMode: Literal["", "none", "private"] | None = None
    CgroupnsMode: Literal["", "private"] | None = None
    Runtime: Literal["", "runc", "runsc", "kata", "kata-runtime", "kata-fc", "kata-qemu"] | None = (
        None
    )


class _IpamConfig(_Model):
    IPv4Address: str


class _Endpoint(_Model):
    IPAMConfig: _IpamConfig | None = None


class _NetworkingConfig(_Model):
    EndpointsConfig: dict[str, _Endpoint] | None = None


class _Healthcheck(_Model):
    Test: tuple[Literal["NONE"]] = Field(strict=False)
    Interval: None = None
    Timeout: None = None
    Retries: None = None
    StartPeriod: None = None


class Container(_Model):
    Image: str
    Labels: dict[str, Annotated[str, StringConstraints(max_length=1024)]]
    HostConfig: _HostConfig
    Healthcheck: _Healthcheck  # it would run code, and hold up the route
    NetworkingConfig: _NetworkingConfig | None = None
    Env: Words | None = None
    Cmd: Words | None = None
    Entrypoint: Words | None = None
    User: UserName | None = None
    AttachStdout: bool | None = None
    AttachStderr: bool | None = None
    # The SDK writes these, without a value.
    Hostname: Nothing = None
    Domainname: Nothing = None
    ExposedPorts: Nothing = None
    Tty: Nothing = None
    OpenStdin: Nothing = None
    StdinOnce: Nothing = None
    AttachStdin: Nothing = None
    Volumes: Nothing = None
    NetworkDisabled: Nothing = None
    WorkingDir: Nothing = None
    MacAddress: Nothing = None
    StopSignal: Nothing = None
    StopTimeout: Nothing = None
    Runtime: Nothing = None
