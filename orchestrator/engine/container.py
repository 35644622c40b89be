"""A container as the engine describes it, to and from our own values. Pure functions.

What a container is given, and why:

- an unprivileged user, by number; no capabilities, no new privileges (so that no setuid program or
  file capability gives any back), and Docker's own seccomp and AppArmor profiles and masked paths,
  which nothing here takes away
- a root that cannot be written, and folders in memory with a size and a number of files: what an
  instance writes counts as its memory and never fills the disk
- memory without swap beyond it, so that a full instance ends as out-of-memory instead of dragging
  the machine down; CPU time, processes, open files bounded; no core dumps
- where the machine is short of CPU time, half of what the stack's own services get; where it is
  short of memory, instances end before them
- namespaces of its own for IPC and cgroups; little shared memory
- no name server: Docker's own in each container would ask the machine's, from the machine's network
  and so past the firewall (since Docker 26; before, where the machine's is at 127.0.0.1), and names
  carry data; but one that is named is asked from the container's own network
- an init process, which reaps zombies and passes signals on
- one log file of 1 MB: readable, and never more than that on the disk
- no restart: a crash is an ending that the visitor is told about
- no health check, even where its image has one: Traefik gives no route before it has passed

Weaker only what the distribution asks for by name (`domain/weaker.py`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, Final

from docker.types import LogConfig, Ulimit

from ..domain.distribution import Distribution
from ..domain.naming import (
    LABEL_CREATED_AT,
    LABEL_DISTRIBUTION,
    LABEL_EXPIRES_AT,
    LABEL_INSTANCE,
    container_name,
    is_instance_id,
)
from .base import Observation, StartSpec
from .routing import Routing, managed_labels, owner_labels, router_labels
from .sdk import Client

OPEN_FILES: Final = 16384
LOG_SIZE: Final = "1m"
NUDGE_MEMORY: Final = 16 * 1024**2  # bytes
SHARED_MEMORY: Final = 16 * 1024**2  # bytes, /dev/shm
CPU_SHARES: Final = 512  # of Docker's default, 1024, which the stack's services have
RESTRAINED_CPU_SHARES: Final = 16  # of one that gives way to the others
OUT_OF_MEMORY_SCORE: Final = 500  # of 1000: the kernel ends instances first
NO_NAME_SERVER: Final = ["127.0.0.1"]  # the container's own loopback: refused at once
PAGE: Final = 4096  # bytes
FEW_FILES: Final = 1024

# An unreadable moment counts as long past: whatever carries our labels and cannot say when it
# ends, ends.
_LONG_PAST: Final = datetime.fromtimestamp(0, UTC)
NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time


def labels(routing: Routing, spec: StartSpec) -> dict[str, str]:
    distribution = spec.distribution
    return owner_labels(
        routing.stack,
        spec.instance_id,
        distribution.slug,
        created_at=spec.created_at,
        expires_at=spec.expires_at,
        pooled=spec.pooled,
    ) | router_labels(routing, spec.instance_id, distribution.port, spec.address)


def create_arguments(
    client: Client, routing: Routing, spec: StartSpec, user: str
) -> dict[str, Any]:
    """For `client.create_container`: everything in one call, the network and address included."""
    endpoint = client.create_endpoint_config(ipv4_address=str(spec.address))
    network = routing.network_of(spec.address)
    return {
        "image": spec.distribution.image.ref,
        "user": user,
        "name": container_name(routing.stack, spec.instance_id),
        "labels": labels(routing, spec),
        "environment": spec.environment,
        "healthcheck": {"test": ["NONE"]},
        "host_config": host_config(client, network, spec.distribution, user),
        "networking_config": client.create_networking_config(
            {network: endpoint}  # type: ignore[arg-type]  # a mistake in the stubs
        ),
        "use_config_proxy": False,  # else ~/.docker/config.json writes into the environment
    }


def needs_disk_limit(distribution: Distribution) -> bool:
    weaker = distribution.weaker
    return weaker.writable_root is not None and weaker.unlimited_disk is None


def host_config(
    client: Client, network: str, distribution: Distribution, user: str
) -> dict[str, Any]:
    limits, weaker = distribution.limits, distribution.weaker
    bounded = needs_disk_limit(distribution)
    return client.create_host_config(
        network_mode=network,  # without it Docker would attach its default bridge as well
        dns=None if distribution.reaches_out else NO_NAME_SERVER,
        mem_limit=int(limits.memory),
        memswap_limit=int(limits.memory),
        nano_cpus=round(limits.cpus * 1_000_000_000),
        cpu_shares=CPU_SHARES,
        pids_limit=limits.pids,
        oom_score_adj=OUT_OF_MEMORY_SCORE,
        init=True,
        runtime=distribution.runtime,
        read_only=weaker.writable_root is None,
        storage_opt={"size": str(int(limits.disk))} if bounded else None,
        ipc_mode="private",
        cgroupns="private",
        shm_size=SHARED_MEMORY,
        cap_drop=["ALL"],
        cap_add=sorted(weaker.capabilities) or None,
        security_opt=["no-new-privileges"],
        ulimits=[
            Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES),
            Ulimit(name="core", soft=0, hard=0),
        ],
        log_config=LogConfig(type="json-file", config={"max-size": LOG_SIZE, "max-file": "1"}),
        restart_policy={"Name": "no"},
        tmpfs={path: _tmpfs(size, user) for path, size in distribution.writable.items()},
    )


def nudge_arguments(client: Client, stack: str, ref: str) -> dict[str, Any]:
    """For `client.create_container`: a container that has started and ended at once. Its process is
    the engine's own init, asked for its version; nothing of the image runs, even where that init is
    elsewhere. The engine removes it. It has no instance's label: a leftover belongs to nobody."""
    return {
        "image": ref,
        "entrypoint": ["/sbin/docker-init", "--version"],
        "labels": managed_labels(stack) | {"traefik.enable": "false"},
        "healthcheck": {"test": ["NONE"]},
        "host_config": client.create_host_config(
            network_mode="none",
            auto_remove=True,
            init=True,
            read_only=True,
            mem_limit=NUDGE_MEMORY,
            memswap_limit=NUDGE_MEMORY,
            pids_limit=8,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            log_config=LogConfig(type="none"),
        ),
        "use_config_proxy": False,
    }


def _tmpfs(size: int, user: str) -> str:
    """Its owner is the user: over a folder of the image it gets that folder's mode, such as 0700,
    and root for an owner."""
    files = max(FEW_FILES, size // PAGE)
    options = f"rw,nosuid,nodev,noexec,mode=1777,size={int(size)},nr_inodes={files}"
    uid, _, gid = user.partition(":")
    owner = {"uid": uid, "gid": gid}.items()
    return ",".join([options, *(f"{key}={one}" for key, one in owner if one.isdecimal())])


def instance_of(labels: dict[str, str] | None, stack: str) -> str | None:
    """The instance whose container this is, or None where it belongs to somebody else."""
    return labels.get(LABEL_INSTANCE) if labels and is_ours(labels, stack) else None


def is_ours(labels: dict[str, str], stack: str) -> bool:
    return managed_labels(stack).items() <= labels.items()


def observation(inspected: dict[str, Any]) -> Observation:
    """From `inspect_container`'s answer, for a container of ours."""
    state = inspected["State"]
    ended = not state["Running"] and state.get("FinishedAt", NEVER) != NEVER
    return _observation(
        inspected["Config"]["Labels"],
        inspected["NetworkSettings"],
        inspected["Name"],
        inspected["Id"],
        running=state["Running"],
        paused=bool(state.get("Paused")),
        exit_code=state["ExitCode"] if ended else None,
        out_of_memory=ended and bool(state.get("OOMKilled")),
    )


def listed_observation(item: dict[str, Any]) -> Observation | None:
    """From one item of `containers`; None where the list does not tell enough, as of its end."""
    state = item["State"]
    if state not in ("running", "paused", "created"):
        return None
    return _observation(
        item["Labels"],
        item["NetworkSettings"],
        item["Names"][0],
        item["Id"],
        running=state != "created",
        paused=state == "paused",
    )


def _observation(
    labels: dict[str, str],
    network_settings: dict[str, Any],
    name: str,
    container_id: str,
    *,
    running: bool,
    paused: bool,
    exit_code: int | None = None,
    out_of_memory: bool = False,
) -> Observation:
    return Observation(
        instance_id=labels.get(LABEL_INSTANCE, ""),
        distribution=labels.get(LABEL_DISTRIBUTION, ""),
        running=running,
        exit_code=exit_code,
        out_of_memory=out_of_memory,
        created_at=_moment(labels.get(LABEL_CREATED_AT, "")),
        expires_at=_moment(labels.get(LABEL_EXPIRES_AT, "")),
        address=_address(network_settings),
        paused=paused,
        name=name.removeprefix("/"),
        whole=_are_whole(labels),
        container_id=container_id,
    )


def _are_whole(labels: dict[str, str]) -> bool:
    moments = (labels.get(LABEL_CREATED_AT, ""), labels.get(LABEL_EXPIRES_AT, ""))
    return (
        is_instance_id(labels.get(LABEL_INSTANCE, ""))
        and bool(labels.get(LABEL_DISTRIBUTION))
        and all(_moment(each) is not _LONG_PAST for each in moments)
    )


def _address(network_settings: dict[str, Any]) -> IPv4Address | None:
    """The one that was assigned, which a container keeps while it does not run, too."""
    for network in (network_settings.get("Networks") or {}).values():
        if assigned := (network.get("IPAMConfig") or {}).get("IPv4Address"):
            return IPv4Address(assigned)
    return None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _LONG_PAST
    return moment if moment.tzinfo else _LONG_PAST


def raw_log(client: Client, container_id: str, tail: int) -> bytes:
    """The last lines of both its streams, as they came. The SDK's own `logs` inspects the container
    first, to see whether it has a terminal; ours have none, so each piece has a header.
    """
    path = f"/containers/{container_id}/logs"
    return b"".join(_pieces(client.fetch(path, stdout=1, stderr=1, tail=tail)))


def _pieces(frames: bytes) -> Iterator[bytes]:
    """Docker's stream format: a header of 8 bytes, of which the last 4 are the piece's length."""
    position = 0
    while position + 8 <= len(frames):
        length = int.from_bytes(frames[position + 4 : position + 8])
        yield frames[position + 8 : position + 8 + length]
        position += 8 + length
