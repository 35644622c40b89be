"""What only a real Docker Engine can show: limits, volumes, networks, and bad connections."""

import asyncio
import dataclasses
import gc
import re
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker.errors
import pytest
import requests
from pydantic import ByteSize

import orchestrator.engine.docker
import orchestrator.engine.events
from orchestrator.domain.addresses import AddressPlan
from orchestrator.domain.distribution import Image, Limits
from orchestrator.domain.engine_errors import (
    DiskUnlimited,
    EngineError,
    ImageRefused,
    RuntimeUnknown,
)
from orchestrator.domain.naming import LABEL_BUILT, container_name, foreign_labels
from orchestrator.domain.outages import EngineUnavailable
from orchestrator.domain.weaker import Weaker
from orchestrator.engine import container
from orchestrator.engine.base import Changed, EngineEvent, Listed
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.routing import Routing
from orchestrator.engine.sdk import Client, Sdk

from .conftest import DOCKER_URL, IMAGE, ROUTING, SUBNET, DockerLab, eventually, make_spec
from .wire import Wire, open_wire

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has 108 characters
        async with open_wire(Path(folder)) as opened:
            yield opened


def engine_at(
    url: str,
    *,
    routing: Routing = ROUTING,
    timeout: float = 5,
    relist_interval: float = 60,
) -> DockerEngine:
    return DockerEngine(url, routing=routing, timeout=timeout, relist_interval=relist_interval)


# -- what a container gets -----------------------------------------------------------------------


async def test_it_applies_every_limit(real: DockerLab) -> None:
    spec = make_spec(tmpfs={"/data": ByteSize(1024**2), "/scratch": ByteSize(32 * 1024**2)})

    await real.engine.start(spec)

    found = await real.inspect(spec.instance_id)
    host = found["HostConfig"]
    folder = "rw,nosuid,nodev,noexec,mode=1777,size={size},nr_inodes={files},uid=65534,gid=65534"
    expected = {
        "Memory": 32 * 1024**2,
        "MemorySwap": 32 * 1024**2,
        "NanoCpus": 500_000_000,
        "CpuShares": 512,
        "PidsLimit": 64,
        "OomScoreAdj": 500,
        "Init": True,
        "Runtime": "runc",
        "ReadonlyRootfs": True,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 16 * 1024**2,
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "Binds": None,
        "PortBindings": None,
        "NetworkMode": ROUTING.network,
        "Dns": ["127.0.0.1"],
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "Ulimits": [
            {"Name": "nofile", "Soft": 16384, "Hard": 16384},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "Devices": None,
        "Tmpfs": {
            "/tmp": folder.format(size=4 * 1024**2, files=1024),  # noqa: S108
            "/run": folder.format(size=1024**2, files=1024),
            "/data": folder.format(size=1024**2, files=1024),
            "/scratch": folder.format(size=32 * 1024**2, files=8192),
        },
    }
    assert {key: host[key] for key in expected} == expected
    assert found["Config"]["User"] == "65534:65534"
    assert "StorageOpt" not in host
    # Docker's own: what it hides and write-protects below /proc and /sys.
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware"} <= set(host["MaskedPaths"])
    assert {"/proc/sys", "/proc/sysrq-trigger"} <= set(host["ReadonlyPaths"])


# As the kernel has them, in the second or in the first version of cgroups.
BOUNDS = (
    "cd /sys/fs/cgroup; cat cpu.max memory.max memory.swap.max pids.max 2>/dev/null || "
    "cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes pids/pids.max"
)


async def test_a_smaller_share_changes_nothing_else(real: DockerLab) -> None:
    spec = make_spec()
    name = container_name(ROUTING.stack, spec.instance_id)
    await real.engine.start(spec)
    before = (await real.inspect(spec.instance_id))["HostConfig"]
    bounds = await asyncio.to_thread(in_container, real, name, BOUNDS)

    await real.engine.restrain(spec.instance_id, restrained=True)

    after = (await real.inspect(spec.instance_id))["HostConfig"]
    assert after == before | {"CpuShares": 16}
    assert await asyncio.to_thread(in_container, real, name, BOUNDS) == bounds
    assert str(32 * 1024**2) in bounds


async def test_it_gives_the_address_and_environment_and_no_health_check(real: DockerLab) -> None:
    spec = make_spec()

    await real.engine.start(spec)

    found = await real.inspect(spec.instance_id)
    networks = found["NetworkSettings"]["Networks"]
    assert {name: one["IPAddress"] for name, one in networks.items()} == {
        ROUTING.network: str(spec.address)
    }
    assert "GREETING=hello" in found["Config"]["Env"]
    assert not [line for line in found["Config"]["Env"] if "PROXY" in line.upper()]
    assert "Health" not in found["State"]


async def test_a_secret_of_the_environment_is_in_no_event_label_or_list(real: DockerLab) -> None:
    canary = "canary-of-this-test"
    since = await real.engine.now()
    spec = dataclasses.replace(make_spec(), environment={"ADMIN_PASSWORD": canary})
    await real.engine.start(spec)
    found = await real.inspect(spec.instance_id)
    listed = real.client.containers(filters={"id": found["Id"]})
    await real.engine.remove(spec.instance_id)

    happened = list(real.client.events(since=since, until=since + 2, decode=True))

    assert [one for one in happened if one["Action"] == "destroy"]
    assert canary not in f"{happened} {listed} {found['Config']['Labels']}"
    assert f"ADMIN_PASSWORD={canary}" in found["Config"]["Env"]  # the one place


async def test_a_volume_of_the_image_is_a_folder_in_memory_with_a_size(real: DockerLab) -> None:
    spec = make_spec()
    await real.engine.start(spec)
    await real.has_greeted(spec.instance_id)

    name = container_name(ROUTING.stack, spec.instance_id)
    mounts = await asyncio.to_thread(in_container, real, name, "grep ' /data ' /proc/mounts")
    volumes = [one["Name"] for one in (await real.inspect(spec.instance_id))["Mounts"]]
    await real.engine.remove(spec.instance_id)

    assert len(mounts.splitlines()) == 1
    assert mounts.startswith("tmpfs /data tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k")
    for volume in volumes:  # Docker makes it all the same, and hides it
        with pytest.raises(docker.errors.NotFound):
            real.client.inspect_volume(volume)


def in_container(real: DockerLab, name: str, command: str) -> str:
    run = real.client.exec_create(name, ["sh", "-c", command])
    return real.client.exec_start(run["Id"]).decode()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those that are made from here on, with `<id>` for every id."""
    made: list[str] = []
    send = Client.send

    def counted(self: Client, request: requests.PreparedRequest, **kwargs: Any) -> Any:
        method, path = request.method or "", urlsplit(request.url or "").path
        if not path.endswith("/version"):  # once per thread
            made.append(f"{method} {re.sub('[0-9a-f]{64}', '<id>', path)}")
        return send(self, request, **kwargs)

    monkeypatch.setattr(Client, "send", counted)
    return made


async def test_it_needs_three_calls_to_start_and_one_each_to_read_the_log_and_to_remove(
    real: DockerLab, calls: list[str]
) -> None:
    spec = make_spec()
    await real.engine.start(spec)
    await real.engine.logs(spec.instance_id)
    await real.engine.remove(spec.instance_id)

    assert calls == [
        f"GET /v1.41/images/{IMAGE}/json",
        "POST /v1.41/containers/create",
        "POST /v1.41/containers/<id>/start",
        "GET /v1.41/containers/<id>/logs",
        "DELETE /v1.41/containers/<id>",
    ]


async def test_whoever_may_be_restrained_ends_with_its_whole_share(
    real: DockerLab, calls: list[str]
) -> None:
    with_share = ["POST /v1.41/containers/<id>/update", "DELETE /v1.41/containers/<id>"]
    spec, older = make_spec(), make_spec()
    await real.engine.start(spec)
    await real.engine.start(older)
    await real.engine.restrain(spec.instance_id, restrained=True)
    calls.clear()
    await real.engine.remove(spec.instance_id)
    assert calls == with_share

    next_process = engine_at(DOCKER_URL)
    try:
        calls.clear()
        await next_process.remove(older.instance_id)
        assert calls[-2:] == with_share
    finally:
        await next_process.close()


async def test_a_nudge_tells_the_proxy_of_a_start_and_an_end_and_runs_nothing_of_the_image(
    real: DockerLab,
) -> None:
    since = int(time.time())
    await real.engine.nudge(IMAGE)
    await eventually(real.engine.list, lambda listed: listed == ())

    filters = {"type": "container", "label": f"distros.stack={ROUTING.stack}"}
    happened = real.client.events(
        since=since, until=int(time.time()) + 1, filters=filters, decode=True
    )
    # Instances of the test before may have ended in the same second.
    events = [one for one in happened if "distros.instance" not in one["Actor"]["Attributes"]]
    assert [one["Action"] for one in events] == ["create", "start", "die", "destroy"]
    attributes = events[2]["Actor"]["Attributes"]
    assert attributes["exitCode"] == "0"  # it was the engine's own init that ran
    assert attributes["traefik.enable"] == "false"


async def test_it_bounds_and_cleans_the_log(real: DockerLab) -> None:
    spec = make_spec()
    spec = dataclasses.replace(spec, environment={"GREETING": "x" * 100_000})
    await real.engine.start(spec)

    async def log_length() -> int:
        return len(await real.engine.logs(spec.instance_id))

    await eventually(log_length, lambda length: length > 60_000)
    log = await real.engine.logs(spec.instance_id)

    assert len(log) <= 64 * 1024
    assert {character for character in log if not character.isprintable()} == {"\n"}


# -- what is refused, and what is weaker ---------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("USER root", "runs as root"),
        ("USER 0:33", "runs as root"),
        ("USER nobody", "runs as “nobody”, which may be root"),
        ("VOLUME /more /yet/more", "has volumes without a limit: /more, /yet/more"),
        ("LABEL distros.managed=true", "carries labels of its own: distros.managed"),
        ("LABEL traefik.enable=true", "carries labels of its own: traefik.enable"),
    ],
)
async def test_it_refuses_an_image_that_would_weaken_its_instances(
    real: DockerLab, tmp_path: Path, recipe: str, said: str
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\n{recipe}\n")
    ref = "distros-contract/weak:1"
    async with aclosing(real.engine.build(tmp_path, ref)) as lines:
        async for _ in lines:
            pass
    spec = make_spec(image=Image(ref=ref))

    with pytest.raises(ImageRefused, match=said):
        await real.engine.check_image(spec.distribution)
    with pytest.raises(ImageRefused, match=said):
        await real.engine.start(spec)

    assert await real.engine.list() == ()
    await asyncio.to_thread(real.client.remove_image, ref, force=True)


async def test_the_distributions_own_number_goes_before_the_images_user(real: DockerLab) -> None:
    spec = make_spec(image=Image(ref=IMAGE, user="4711:4712"))

    await real.engine.start(spec)

    assert (await real.inspect(spec.instance_id))["Config"]["User"] == "4711:4712"


async def test_it_says_that_the_engine_does_not_know_the_runtime(real: DockerLab) -> None:
    spec = make_spec(runtime="runsc")

    with pytest.raises(RuntimeUnknown, match=r"does not know the runtime “runsc” that probe"):
        await real.engine.start(spec)

    assert await real.engine.list() == ()


async def test_a_writable_root_is_refused_where_the_disk_cannot_be_limited(real: DockerLab) -> None:
    if real.client.info()["Driver"] != "overlay2":
        pytest.skip("this engine's driver may be able to limit the disk")
    spec = make_spec(weaker=Weaker(writable_root="it writes all over"))

    with pytest.raises(DiskUnlimited, match="cannot limit what probe would write"):
        await real.engine.start(spec)

    assert await real.engine.list() == ()
    assert not real.client.containers(all=True, filters={"name": "disk-probe"})


@pytest.mark.parametrize("heeded", [True, False])
async def test_a_disk_limit_is_believed_once_it_was_seen_to_work(
    real: DockerLab, monkeypatch: pytest.MonkeyPatch, heeded: bool
) -> None:
    made = container.host_config

    def on_another_disk(*arguments: Any) -> dict[str, Any]:
        """As an engine makes of it that takes the limit, and heeds it or not."""
        host = made(*arguments)
        size = host.pop("StorageOpt")["size"]
        if heeded:
            host.setdefault("Tmpfs", {})["/var/tmp"] = f"size={size}"  # noqa: S108
        return host

    monkeypatch.setattr(container, "host_config", on_another_disk)
    limits = Limits(memory=ByteSize(64 * 1024**2), disk=ByteSize(8 * 1024**2))
    spec = make_spec(limits=limits, weaker=Weaker(writable_root="it writes all over"))

    if heeded:
        await real.engine.start(spec)
    else:
        with pytest.raises(DiskUnlimited):
            await real.engine.start(spec)

    assert len(await real.engine.list()) == heeded
    assert not real.client.containers(all=True, filters={"name": "disk-probe"})


async def test_what_is_weaker_is_given_by_name_and_nothing_else_with_it(real: DockerLab) -> None:
    reason = "for a test"
    weaker = Weaker(
        writable_root=reason,
        unlimited_disk=reason,
        root_user=reason,
        capabilities={"CHOWN": reason},
    )
    spec = make_spec(weaker=weaker, image=Image(ref=IMAGE))
    await real.engine.start(spec)

    host = (await real.inspect(spec.instance_id))["HostConfig"]

    assert host["ReadonlyRootfs"] is False
    assert host["CapAdd"] == ["CHOWN"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert list(host["Tmpfs"]) == ["/data"]


# -- the network ---------------------------------------------------------------------------------


async def test_it_makes_the_network_once_and_keeps_its_beginning_free(real: DockerLab) -> None:
    real.client.remove_network(ROUTING.network)

    await asyncio.gather(*(real.engine.prepare() for _ in range(3)))

    (network,) = real.client.networks(names=[ROUTING.network])
    assert network["Driver"] == "bridge"
    assert network["Labels"] == {"distros.managed": "true", "distros.stack": ROUTING.stack}
    assert network["IPAM"]["Config"] == [
        {"Subnet": "10.216.0.0/16", "IPRange": "10.216.0.0/28", "Gateway": "10.216.0.1"}
    ]


async def test_those_with_the_internet_are_on_a_network_of_their_own(real: DockerLab) -> None:
    out = IPv4Network("10.217.0.0/24")
    routing = dataclasses.replace(ROUTING, plan=AddressPlan(SUBNET, egress=out))
    engine = engine_at(DOCKER_URL, routing=routing)
    spec = make_spec(weaker=Weaker(egress="it fetches its extensions"))
    try:
        await engine.prepare()
        await engine.start(dataclasses.replace(spec, address=out[17]))
        attached = (await real.inspect(spec.instance_id))["NetworkSettings"]["Networks"]
    finally:
        await engine.remove(spec.instance_id)
        real.client.remove_network(f"{ROUTING.network}-egress")
        await engine.close()

    assert list(attached) == [f"{ROUTING.network}-egress"]
    assert attached[f"{ROUTING.network}-egress"]["IPAMConfig"] == {"IPv4Address": "10.217.0.17"}


async def test_it_says_that_the_subnet_is_taken(real: DockerLab) -> None:
    routing = dataclasses.replace(ROUTING, network="distros-contract-overlap")
    routing = dataclasses.replace(routing, plan=AddressPlan(IPv4Network("10.216.1.0/24")))
    other = engine_at(DOCKER_URL, routing=routing)

    with pytest.raises(EngineError, match=r"^The subnet 10\.216\.1\.0/24 overlaps with another"):
        await other.prepare()

    await other.close()


async def test_it_says_that_the_network_has_another_subnet(real: DockerLab) -> None:
    plan = AddressPlan(IPv4Network("10.215.0.0/16"))
    other = engine_at(DOCKER_URL, routing=dataclasses.replace(ROUTING, plan=plan))

    with pytest.raises(EngineError, match=r"with 10\.216\.0\.0/16, and not with 10\.215\.0\.0/16"):
        await other.prepare()

    await other.close()


# -- bad connections -----------------------------------------------------------------------------


# The SDK leaves a socket that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
async def test_it_says_promptly_that_no_engine_is_there(url: str) -> None:
    engine = engine_at(url)
    started = time.monotonic()

    for call in (engine.list(), engine.prepare(), engine.remove("x"), engine.start(make_spec())):
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            await call

    assert time.monotonic() - started < 2
    await engine.close()
    gc.collect()


async def test_it_waits_for_a_silent_engine_no_longer_than_its_deadline(wire: Wire) -> None:
    wire.deaf = True
    engine = engine_at(wire.url, timeout=0.3)
    started = time.monotonic()

    with pytest.raises(EngineUnavailable, match="does not answer in time"):
        await engine.list()

    assert time.monotonic() - started < 1
    await engine.close()


async def test_it_gives_a_call_up_at_its_deadline_however_busy_the_socket() -> None:
    sdk = Sdk(DOCKER_URL, timeout=0.3)
    hold = threading.Event()
    started = time.monotonic()

    with pytest.raises(EngineUnavailable, match="does not answer in time"):
        await sdk.call(lambda _: hold.wait(3))

    assert time.monotonic() - started < 1
    hold.set()
    await sdk.close()


async def test_it_is_looked_for_and_removes_however_many_calls_hang(real: DockerLab) -> None:
    spec = make_spec()
    await real.engine.start(spec)
    hold = threading.Event()
    threads = [real.engine._sdk] * 9 + [real.engine._removals] * 40
    hanging = [asyncio.create_task(sdk.call(lambda _: hold.wait(9))) for sdk in threads]
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await real.engine.prepare()
        await real.engine.remove(spec.instance_id)

    hold.set()
    await asyncio.gather(*hanging)
    assert await real.engine.list() == ()


async def test_it_is_missed_within_seconds_however_long_a_call_may_take(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator.engine.docker, "PROBE_TIMEOUT", 0.3)
    wire.deaf = True
    engine = engine_at(wire.url, timeout=30)
    started = time.monotonic()

    for _ in range(4):  # one after another: no thread is left hanging
        with pytest.raises(EngineUnavailable, match="does not answer in time"):
            await engine.prepare()

    assert time.monotonic() - started < 2
    await engine.close()


async def test_it_works_again_as_soon_as_the_engine_does(real: DockerLab, wire: Wire) -> None:
    engine = engine_at(wire.url)
    await engine.list()
    wire.refusing = True
    await wire.cut()
    with pytest.raises(EngineUnavailable):
        await engine.list()

    wire.refusing = False

    assert await engine.list() == ()
    await engine.close()


async def test_it_lists_again_after_the_event_stream_was_cut(real: DockerLab, wire: Wire) -> None:
    engine = engine_at(wire.url)
    spec = make_spec()

    async with asyncio.timeout(30), aclosing(engine.events()) as events:
        assert await anext(events) == Listed(())
        waiting = asyncio.create_task(next_list(events))
        await eventually(wire.event_streams, lambda count: count == 1)
        wire.refusing = True
        await wire.cut()
        await real.engine.start(spec)  # while nobody watches
        wire.refusing = False

        observed = [look.instance_id for look in (await waiting).observations]
        assert observed == [spec.instance_id]

        await real.remove_outside(spec.instance_id)
        assert await anext(events) == Changed(spec.instance_id)
    await engine.close()


async def test_it_lists_anew_when_a_quiet_window_is_over(real: DockerLab) -> None:
    engine = engine_at(DOCKER_URL, relist_interval=1)

    async with asyncio.timeout(10), aclosing(engine.events()) as events:
        for _ in range(3):
            await next_list(events)
    await engine.close()


async def test_it_notices_an_event_stream_that_died_without_a_word(
    real: DockerLab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator.engine.events, "SLACK", 0.3)
    engine = engine_at(wire.url, relist_interval=1)

    async with asyncio.timeout(15), aclosing(engine.events()) as events:
        await anext(events)
        waiting = asyncio.create_task(next_list(events))
        await eventually(wire.event_streams, lambda count: count == 1)
        wire.freeze()

        await waiting
    await engine.close()


async def test_it_leaves_neither_thread_nor_socket_when_events_are_closed(
    real: DockerLab, wire: Wire
) -> None:
    engine = engine_at(wire.url)

    async def consume() -> None:
        async with aclosing(engine.events()) as events:
            async for _ in events:
                pass

    consumer = asyncio.create_task(consume())
    await eventually(wire.event_streams, lambda count: count == 1)
    started = time.monotonic()
    consumer.cancel()
    await asyncio.wait([consumer])

    assert time.monotonic() - started < 1
    assert not [one for one in threading.enumerate() if one.name == "engine-stream"]
    await engine.close()
    await eventually(wire.open_connections, lambda count: count == 0)


async def next_list(events: AsyncGenerator[EngineEvent, None]) -> Listed:
    """Past the changes of the second before, of which a new connection may tell again."""
    async for event in events:
        if isinstance(event, Listed):
            return event
    raise AssertionError("The events have ended.")


# -- images --------------------------------------------------------------------------------------


async def test_it_tells_the_end_of_a_failed_builds_output(real: DockerLab, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo the reason && exit 4\n")

    with pytest.raises(EngineError, match=r"(?s)non-zero code: 4.*the reason"):
        async for _ in real.engine.build(tmp_path, "distros-contract/failing:1"):
            pass


async def build(real: DockerLab, folder: Path, line: str) -> str:
    """The id of the image that now has the tag."""
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n{line}\n")
    async for _ in real.engine.build(folder, "distros-contract/built:1"):
        pass
    found = await real.engine.image_id("distros-contract/built:1")
    assert found is not None
    return found


async def images_there(real: DockerLab, *ids: str) -> list[bool]:
    found = await asyncio.to_thread(real.client.images, all=True)
    return [each in {image["Id"] for image in found} for each in ids]


async def test_it_removes_what_it_has_built_once_neither_tag_nor_container_uses_it(
    real: DockerLab, tmp_path: Path
) -> None:
    await real.engine.prune_images(older_than=timedelta())  # what the machine has of others
    unused = await build(real, tmp_path, "ENV built=1")
    used = await build(real, tmp_path, "ENV built=2")
    container = await asyncio.to_thread(real.client.create_container, used)
    tagged = await build(real, tmp_path, "ENV built=3")
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nENV built=elsewhere\n")
    other = await asyncio.to_thread(_build_elsewhere, real, tmp_path)
    try:
        await real.engine.prune_images(older_than=timedelta(hours=1))
        assert await images_there(real, unused) == [True]
        assert await real.engine.prune_images(older_than=timedelta()) == 1
        assert await images_there(real, unused, used, tagged, other) == [False, True, True, True]
    finally:
        await asyncio.to_thread(real.client.remove_container, container["Id"], force=True)
        for image in (used, tagged, other):
            await asyncio.to_thread(real.client.remove_image, image, force=True)


def _build_elsewhere(real: DockerLab, folder: Path) -> str:
    """Without a tag, and not through the engine."""
    lines = list(real.client.build(path=str(folder), rm=True, decode=True))
    return str(next(line["aux"]["ID"] for line in lines if "aux" in line))


async def test_a_built_image_carries_no_label_that_would_have_it_refused(
    real: DockerLab, tmp_path: Path
) -> None:
    image = await build(real, tmp_path, "ENV built=4")
    found = await asyncio.to_thread(real.client.inspect_image, image)
    assert found["Config"]["Labels"] == {LABEL_BUILT: "distros"}
    assert foreign_labels(found["Config"]["Labels"]) == []
    await asyncio.to_thread(real.client.remove_image, image, force=True)


async def test_it_says_where_the_engine_keeps_its_data(real: DockerLab) -> None:
    root = await real.engine.data_root()
    assert root is not None and root.is_absolute()


async def test_it_stops_a_build_that_nobody_waits_for(
    real: DockerLab, wire: Wire, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN sleep 30\n")
    engine = engine_at(wire.url)
    started = time.monotonic()

    async with aclosing(engine.build(tmp_path, "distros-contract/slow:1")) as lines:
        async for line in lines:
            if "RUN sleep" in line.text:
                break

    assert time.monotonic() - started < 10  # it would take 30
    assert not [one for one in threading.enumerate() if one.name == "engine-stream"]
    await eventually(wire.open_connections, lambda count: count == 0)
    await engine.close()


async def test_it_says_why_a_pull_failed(real: DockerLab) -> None:
    with pytest.raises(EngineError) as failure:
        async for _ in real.engine.pull("localhost:9/nothing:1"):
            pass

    assert "localhost:9" in failure.value.message
