"""Which containers may be created: the orchestrator's own, and no way out of the sandbox."""

import copy
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalog import Catalog
from orchestrator.domain.naming import router_name
from orchestrator.domain.weaker import Weaker
from orchestrator.engine.routing import managed_labels
from orchestrator.guard import creation
from orchestrator.guard.creation import Policy
from orchestrator.guard.refusals import Refused

from ..support import WIKI
from .conftest import ID, NAME, POLICY, STACK, Engine, written

pytestmark = pytest.mark.anyio

URL = f"/v1.41/containers/create?name={NAME}"
DOCUMENT = written()

Change = Callable[[dict[str, Any]], Any]


def host(**changes: Any) -> Change:
    return lambda document: document["HostConfig"].update(changes)


def top(**changes: Any) -> Change:
    return lambda document: document.update(changes)


def labels(**changes: str) -> Change:
    """`_` stands for the dots."""
    return lambda document: document["Labels"].update(
        {key.replace("_", "."): value for key, value in changes.items()}
    )


def without(*path: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        *above, last = path
        for key in above:
            document = document[key]
        del document[last]

    return change


def endpoint(name: str, **endpoint: Any) -> Change:
    return top(NetworkingConfig={"EndpointsConfig": {name: endpoint}})


KEY = router_name(STACK, ID)
ROUTER = f"traefik.http.routers.{KEY}"

# What each would open is told by its name in Docker's API.
ESCAPES: dict[str, Change] = {
    "privileged": host(Privileged=True),
    "binds": host(Binds=["/:/host"]),
    "no binds, but the key": host(Binds=[]),
    "mounts of the host": host(Mounts=[{"Type": "bind", "Source": "/", "Target": "/host"}]),
    "mounts of a volume": host(Mounts=[{"Type": "volume", "Source": "data", "Target": "/x"}]),
    "volumes of another": host(VolumesFrom=["distros-orchestrator-1"]),
    "a volume driver": host(VolumeDriver="local"),
    "a volume": top(Volumes={"/x": {}}),
    "devices": host(Devices=[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda"}]),
    "device requests": host(DeviceRequests=[{"Driver": "nvidia", "Count": -1}]),
    "device rules": host(DeviceCgroupRules=["a *:* rwm"]),
    "the host's network": host(NetworkMode="host"),
    "another's network": host(NetworkMode="container:distros-traefik-1"),
    "the default network": host(NetworkMode="bridge"),
    "the network of Docker's choice": host(NetworkMode="default"),
    "the socket's network": host(NetworkMode="distros_orchestrator-docker"),
    "the host's processes": host(PidMode="host"),
    "another's processes": host(PidMode="container:x"),
    "the host's IPC": host(IpcMode="host"),
    "IPC for others": host(IpcMode="shareable"),
    "the host's names": host(UTSMode="host"),
    "the host's users": host(UsernsMode="host"),
    "the host's cgroups": host(CgroupnsMode="host"),
    "a cgroup": host(Cgroup="x"),
    "a parent cgroup": host(CgroupParent="/"),
    "a capability": host(CapAdd=["SYS_ADMIN"]),
    "all capabilities": host(CapAdd=["ALL"]),
    "capabilities left": host(CapDrop=["CHOWN"]),
    "capabilities not dropped": without("HostConfig", "CapDrop"),
    "an unconfined profile": host(SecurityOpt=["no-new-privileges", "seccomp=unconfined"]),
    "an unconfined AppArmor": host(SecurityOpt=["apparmor=unconfined"]),
    "new privileges": host(SecurityOpt=["no-new-privileges:false"]),
    "no security options": without("HostConfig", "SecurityOpt"),
    "the kernel's settings": host(Sysctls={"net.ipv4.ip_forward": "1"}),
    "another runtime": host(Runtime="evil"),
    "another runtime above": top(Runtime="evil"),
    "to survive out-of-memory": host(OomScoreAdj=-1000),
    "as much CPU time as the services": host(CpuShares=1024),
    "as much by saying nothing": without("HostConfig", "CpuShares"),
    "every core": host(NanoCpus=0),
    "every core by saying nothing": without("HostConfig", "NanoCpus"),
    "no out-of-memory": host(OomKillDisable=True),
    "a log elsewhere": host(LogConfig={"Type": "syslog", "Config": {}}),
    "a log's address": host(
        LogConfig={"Type": "json-file", "Config": {"syslog-address": "tcp://192.0.2.1"}}
    ),
    "ports of the host": host(PortBindings={"80/tcp": [{"HostPort": "80"}]}),
    "all ports": host(PublishAllPorts=True),
    "an exposed port": top(ExposedPorts={"80/tcp": {}}),
    "a restart": host(RestartPolicy={"Name": "always"}),
    "links": host(Links=["distros-orchestrator-1:x"]),
    "another's names": host(ExtraHosts=["a:127.0.0.1"]),
    "a DNS server": host(Dns=["192.0.2.1"]),
    "the machine's name server": without("HostConfig", "Dns"),
    "the machine's name server by an empty list": host(Dns=[]),
    "unmasked paths": host(MaskedPaths=[]),
    "paths to write": host(ReadonlyPaths=[]),
    "groups": host(GroupAdd=["docker"]),
    "a container id file": host(ContainerIDFile="/etc/cron.d/x"),
    "annotations": host(Annotations={"run.oci.keep_original_groups": "1"}),
    "real-time": host(CpuRealtimeRuntime=1000000),
    "swap": host(MemorySwap=2**40),
    "swap without end": host(MemorySwap=-1),
    "memory without end": host(Memory=0, MemorySwap=0),
    "processes without end": host(PidsLimit=0),
    "a tmpfs with devices": host(Tmpfs={"/x": "rw,dev"}),
    "a tmpfs with setuid": host(Tmpfs={"/x": "rw,nosuid,nodev,suid"}),
    "a tmpfs above": host(Tmpfs={"/x/../..": "rw,nosuid,nodev"}),
    "storage options": host(StorageOpt={"dm.basesize": "1"}),
    "a number that is text": host(PidsLimit="64"),
    "a user by name": top(User="root"),
    "root": top(User="0"),
    "root with a group": top(User="0:33"),
    "the image's own user": without("User"),
    "a root to write on": host(ReadonlyRootfs=False),
    "a MAC address": top(MacAddress="02:42:ac:11:00:02"),
    "a hostname": top(Hostname="distros-traefik-1"),
    "a health check": top(Healthcheck={"Test": ["CMD", "x"]}),
    "an argument of builds": top(OnBuild=["RUN x"]),
    "another network, too": endpoint("distros_edge"),
    "another's address": endpoint("distros-sandbox", IPAMConfig={"IPv4Address": "10.99.0.2"}),
    "the next bridge's address": endpoint(
        "distros-sandbox", IPAMConfig={"IPv4Address": "10.99.128.20"}
    ),
    "no address": endpoint("distros-sandbox", IPAMConfig={"IPv4Address": "x"}),
    "an address of IPv6": endpoint(
        "distros-sandbox", IPAMConfig={"IPv4Address": "10.99.0.17", "IPv6Address": "fd00::1"}
    ),
    "aliases": endpoint(
        "distros-sandbox", IPAMConfig={"IPv4Address": "10.99.0.17"}, Aliases=["traefik"]
    ),
    "driver options": endpoint(
        "distros-sandbox", IPAMConfig={"IPv4Address": "10.99.0.17"}, DriverOpts={"a": "b"}
    ),
    "a network without a network": host(NetworkMode="none"),
    "an image of its own": top(Image="debian:trixie-slim"),
    "another distribution's image": top(Image="a/tool:2"),
    "no labels": top(Labels={}),
    "not managed": without("Labels", "distros.managed"),
    "another stack's": labels(distros_stack="another"),
    "an instance's name": labels(distros_instance="traefik"),
    "another instance's name": labels(distros_instance="mmmmmmmmmmmm"),
    "labels of Compose": labels(com_docker_compose_project="distros"),
    "another's route": lambda document: document["Labels"].update(
        {f"{ROUTER}.rule": "Host(`distros.localhost`)"}
    ),
    "one more route": lambda document: document["Labels"].update(
        {"traefik.http.routers.x.service": "api@internal"}
    ),
    "the admin's entrypoint": lambda document: document["Labels"].update(
        {f"{ROUTER}.entrypoints": "admin"}
    ),
    "another port's route": lambda document: document["Labels"].update(
        {f"traefik.http.services.{KEY}.loadbalancer.server.port": "22"}
    ),
}


def test_the_internet_is_for_instances_of_what_asks_for_it_alone() -> None:
    asking = WIKI.model_copy(update={"weaker": Weaker(egress="it fetches its extensions")})
    policy = Policy(POLICY.routing, Catalog([asking]))
    document = written(asking, "10.98.0.17")
    raw = json.dumps(document).encode()

    assert document["HostConfig"]["NetworkMode"] == "distros-sandbox-egress"
    assert creation.admitted(raw, NAME, policy)["Labels"] == document["Labels"]
    with pytest.raises(Refused, match="wiki asks for no egress"):
        creation.admitted(raw, NAME, POLICY)
    for label in [each for each in document["Labels"] if each not in managed_labels(STACK)]:
        del document["Labels"][label]
    with pytest.raises(Refused, match="only an instance has a network"):
        creation.admitted(json.dumps(document).encode(), NAME, policy)


async def test_an_instance_as_the_orchestrator_writes_it_is_created(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any]
) -> None:
    answer = await guarded.post(URL, json=document)

    (asked,) = engine.asked
    assert (answer.status_code, answer.json()["Id"]) == (201, "1" * 64)
    assert f"{asked.method} {asked.url.raw_path.decode()}" == f"POST {URL}"
    assert without_none(json.loads(asked.content)) == without_none(document)


@pytest.mark.parametrize("escape", ESCAPES)
async def test_no_way_out_of_the_sandbox_reaches_the_engine(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any], escape: str
) -> None:
    ESCAPES[escape](document)

    answer = await guarded.post(URL, json=document)

    assert answer.status_code == 403
    assert answer.json()["message"].startswith("The socket guard refuses this call: ")
    assert engine.asked == []


@pytest.mark.parametrize("name", ["", "distros-orchestrator-1", "portainer", f"x-{ID}"])
async def test_an_instances_name_is_its_own(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any], name: str
) -> None:
    query = f"?name={name}" if name else ""
    answer = await guarded.post(f"/containers/create{query}", json=document)
    assert (answer.status_code, engine.asked) == (403, [])


async def test_what_hardening_asks_for_may_be_asked_for(
    guarded: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    document["User"] = "33:33"
    document["HostConfig"] |= {
        "ReadonlyRootfs": True,
        "CpuShares": 512,
        "OomScoreAdj": 500,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "ShmSize": 16 * 1024**2,
        "StorageOpt": {"size": "536870912"},
        "Runtime": "runsc",
        "Tmpfs": {"/var/x": "rw,nosuid,nodev,noexec,mode=1777,size=8388608,nr_inodes=2048"},
    }
    assert (await guarded.post(URL, json=document)).status_code == 201


async def test_a_container_without_a_network_and_an_instance_may_be_created(
    guarded: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    """Its start and end are events, at which Traefik looks anew."""
    del document["NetworkingConfig"]
    document["Entrypoint"] = ["/sbin/docker-init", "--version"]
    document["Labels"] = {
        "distros.managed": "true",
        "distros.stack": STACK,
        "traefik.enable": "false",
    }
    document["HostConfig"] |= {
        "NetworkMode": "none",
        "AutoRemove": True,
        "LogConfig": {"Type": "none", "Config": {}},
    }
    assert (await guarded.post("/containers/create", json=document)).status_code == 201

    document["Labels"]["traefik.http.routers.x.rule"] = "Host(`distros.localhost`)"
    assert (await guarded.post("/containers/create", json=document)).status_code == 403


@pytest.mark.parametrize("address", ["10.99.0.2", "10.99.128.20", "192.0.2.1"])
async def test_no_container_gets_traefiks_address_or_one_from_elsewhere(
    guarded: httpx.AsyncClient, document: dict[str, Any], address: str
) -> None:
    """Not even one that is no instance, and has no route that would tell."""
    document["Labels"] = {"distros.managed": "true", "distros.stack": STACK}
    endpoint("distros-sandbox", IPAMConfig={"IPv4Address": address})(document)
    assert (await guarded.post("/containers/create", json=document)).status_code == 403


# -- keys in disguise ------------------------------------------------------------------------------

HOST_KEYS = ["Privileged", "Binds", "Mounts", "Devices", "CapAdd", "PidMode", "NetworkMode"]


@given(st.data())
def test_a_key_in_another_case_is_refused_as_go_would_take_it(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([*DOCUMENT, *DOCUMENT["HostConfig"], *HOST_KEYS]))
    cased = data.draw(
        st.tuples(*(st.sampled_from([letter.lower(), letter.upper()]) for letter in key))
        .map("".join)
        .filter(lambda cased: cased not in DOCUMENT and cased not in DOCUMENT["HostConfig"])
    )
    document = copy.deepcopy(DOCUMENT)
    inside = data.draw(st.sampled_from([document, document["HostConfig"]]))
    inside[cased] = data.draw(st.sampled_from([True, None, [], ["/:/host"], "host"]))
    refuse(json.dumps(document))


@given(st.data())
def test_a_key_that_occurs_twice_is_refused_wherever_it_stands(data: st.DataObject) -> None:
    text = json.dumps(DOCUMENT)
    key = data.draw(
        st.sampled_from(
            [*DOCUMENT, *DOCUMENT["HostConfig"], "Type", "IPv4Address", "distros.stack"]
        )
    )
    written = f'"{key}": '
    escaped = data.draw(st.sampled_from([key, f"\\u{ord(key[0]):04x}{key[1:]}"]))
    twice = f'"{escaped}": {data.draw(st.sampled_from(["null", "true", "[]", "{}"]))}, {written}'
    refuse(text.replace(written, twice, 1))


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text(), min_size=1))
def test_no_unknown_key_passes(keys: dict[str, Any]) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["HostConfig"] |= {f"x{key}": value for key, value in keys.items()}
    refuse(json.dumps(document))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_what_is_no_document_is_refused(body: bytes) -> None:
    refuse(body)


@pytest.mark.parametrize(
    "body",
    [b"[" * 60_000, b'{"a":' * 12_000, b"NaN", b'{"Image": NaN}', b"\xff\xfe{\x00}\x00", b"[]"],
)
def test_what_python_would_choke_on_is_refused(body: bytes) -> None:
    refuse(body)


def refuse(body: bytes | str) -> None:
    raw = body.encode() if isinstance(body, str) else body
    with pytest.raises(Refused):
        creation.admitted(raw, NAME, POLICY)


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/json; charset=utf-7", "application/tar"]
)
async def test_only_json_is_read(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any], content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    answer = await guarded.post(URL, content=json.dumps(document), headers=headers)
    assert (answer.status_code, engine.asked) == (403, [])


async def test_a_body_without_its_length_is_refused(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any]
) -> None:
    async def pieces() -> Any:
        yield json.dumps(document).encode()

    headers = {"Content-Type": "application/json"}
    answer = await guarded.post(URL, content=pieces(), headers=headers)
    assert (answer.status_code, engine.asked) == (411, [])


async def test_a_large_body_is_refused(
    guarded: httpx.AsyncClient, engine: Engine, document: dict[str, Any]
) -> None:
    document["Env"] = ["A=" + "x" * 4000] * 20
    answer = await guarded.post(URL, json=document)
    assert (answer.status_code, engine.asked) == (413, [])


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_none(each) for key, each in value.items() if each is not None}
    return [without_none(each) for each in value] if isinstance(value, list) else value
