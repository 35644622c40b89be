"""The containers that the orchestrator may create. Pure.

The models below are the allow-list: every key of `POST /containers/create` that
`engine/container.py` sends, with the values that keep the container a sandbox. A key that is not
here (Privileged, Binds, Mounts, Devices, PidMode …) is refused whatever its value, and one that
only a newer engine knows too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..catalog import Catalog
from ..domain.addresses import RESERVED_ADDRESSES
from ..domain.distribution import MOUNT_PATH, USER_NUMBER, Distribution
from ..domain.naming import ID_PATTERN, LABEL_DISTRIBUTION, LABEL_INSTANCE, container_name
from ..engine.routing import Routing, managed_labels, router_labels
from . import documents
from .refusals import Refused

NO_NETWORK: Final = "none"
NO_ROUTE: Final = {"traefik.enable": "false"}

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
    CapDrop: tuple[Literal["ALL"]] = Field(strict=False)
    CapAdd: list[str] | None = None
    SecurityOpt: tuple[Literal["no-new-privileges", "no-new-privileges:true"]] = Field(strict=False)
    Memory: Annotated[int, Field(ge=4 * 1024**2)]
    MemorySwap: Annotated[int, Field(ge=4 * 1024**2)]
    PidsLimit: Annotated[int, Field(ge=1, le=32768)]
    LogConfig: _LogConfig
    NanoCpus: Annotated[int, Field(ge=0)] | None = None
    CpuShares: Annotated[int, Field(ge=2, le=1024)] | None = None
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


class _Container(_Model):
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


@dataclass(frozen=True, slots=True)
class Policy:
    """What one stack's orchestrator works with."""

    routing: Routing
    catalog: Catalog

    @property
    def stack(self) -> str:
        return self.routing.stack

    @property
    def networks(self) -> Mapping[str, IPv4Network]:
        return dict(zip(self.routing.networks, self.routing.plan.bridges, strict=True))

    def image(self, ref: str) -> Distribution:
        """Whose image it is; one without a tag means `latest`. Raises Refused."""
        for distribution in self.catalog:
            if distribution.image.ref == ref or f"{distribution.image.ref}:latest" == ref:
                return distribution
        raise Refused(f"{ref!r} is no image of the catalogue")


def admitted(body: bytes, name: str | None, policy: Policy) -> dict[str, Any]:
    """What may be created, as it was understood. Raises Refused."""
    try:
        container = _Container.model_validate(documents.parse(body))
    except ValidationError as error:
        raise Refused(_first_problem(error)) from None
    _check_rights(container, policy.image(container.Image))
    address = _check_network(container, policy)
    _check_labels(container, name, address, policy)
    if container.HostConfig.MemorySwap != container.HostConfig.Memory:
        raise Refused("HostConfig.MemorySwap must be HostConfig.Memory: no swap")
    return container.model_dump(mode="json", exclude_none=True)


def _first_problem(error: ValidationError) -> str:
    """Such as "HostConfig.Privileged: Extra inputs are not permitted"; without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _check_rights(container: _Container, distribution: Distribution) -> None:
    """What is weaker than usual, the catalogue asks for by name."""
    weaker, host = distribution.weaker, container.HostConfig
    if more := set(host.CapAdd or ()) - set(weaker.capabilities):
        raise Refused(
            f"HostConfig.CapAdd: {distribution.slug} asks for no {', '.join(sorted(more))}"
        )
    if host.NetworkMode == NO_NETWORK:  # a nudge, or a probe of the disk
        return
    if weaker.root_user is None and not re.fullmatch(USER_NUMBER, container.User or ""):
        raise Refused(f"User must be a number, not root's: {distribution.slug} asks for no root")
    if weaker.writable_root is None and not host.ReadonlyRootfs:
        raise Refused(f"HostConfig.ReadonlyRootfs: {distribution.slug} asks for no writable root")


def _check_network(container: _Container, policy: Policy) -> IPv4Address | None:
    """The address that it gets; None where the engine chooses one, or it has no network."""
    mode = container.HostConfig.NetworkMode
    networking = container.NetworkingConfig
    endpoints = (networking.EndpointsConfig if networking else None) or {}
    if mode != NO_NETWORK and mode not in policy.networks:
        raise Refused(f"HostConfig.NetworkMode must be {NO_NETWORK} or one of the instances'")
    if not endpoints:
        return None
    if mode == NO_NETWORK or set(endpoints) != {mode}:
        raise Refused("NetworkingConfig may name the network of HostConfig.NetworkMode alone")
    config = endpoints[mode].IPAMConfig
    if config is None:
        return None
    subnet = policy.networks[mode]
    try:
        address = IPv4Address(config.IPv4Address)
    except ValueError:
        raise Refused("NetworkingConfig: IPv4Address is none") from None
    if address not in subnet or int(address) - int(subnet.network_address) < RESERVED_ADDRESSES:
        raise Refused("NetworkingConfig: IPv4Address is not one that instances are given")
    return address


def _check_labels(
    container: _Container, name: str | None, address: IPv4Address | None, policy: Policy
) -> None:
    """An instance's router is the one that `engine/routing.py` makes; others have none."""
    labels, stack = container.Labels, policy.stack
    if not managed_labels(stack).items() <= labels.items():
        raise Refused(f"Labels must have {managed_labels(stack)}")
    if others := [key for key in labels if not key.startswith(("distros.", "traefik."))]:
        raise Refused(f"Labels: {others[0]!r} is none of ours")
    routed = {key: value for key, value in labels.items() if key.startswith("traefik.")}
    instance = labels.get(LABEL_INSTANCE)
    if instance is None:
        if routed and routed != NO_ROUTE:
            raise Refused("Labels: without an instance there is no route")
        if name is not None and not name.startswith(f"{stack}-"):
            raise Refused(f"a name must begin with {stack}-")
        return
    if not ID_PATTERN.fullmatch(instance) or name != container_name(stack, instance):
        raise Refused("an instance's container is named for its id")
    distribution = _distribution(labels.get(LABEL_DISTRIBUTION, ""), container.Image, policy)
    if address is None:
        raise Refused("an instance needs an address")
    if routed != router_labels(policy.routing, instance, distribution.port, address):
        raise Refused("Labels: the route is not an instance's own")


def _distribution(slug: str, ref: str, policy: Policy) -> Distribution:
    """Several may share an image."""
    for distribution in policy.catalog:
        if (distribution.slug, distribution.image.ref) == (slug, ref):
            return distribution
    raise Refused("Labels: the image is another distribution's")
