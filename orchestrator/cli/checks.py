"""What `doctor` looks at.

A problem keeps sites from being launched; a note is worth knowing. With DISTROS_URL only that
server is looked at: this machine is then nothing but its client.
"""

import asyncio
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx

from ..catalog import InvalidCatalog, load_catalog
from ..client import Client
from ..connection import Refused, ServerUnreachable, is_loopback
from ..domain.distribution import Distribution
from ..domain.engine_errors import EngineError
from ..domain.errors import DistrosError
from ..domain.outages import EngineUnavailable
from ..engine.images import image_id
from ..engine.sdk import Sdk
from ..layout import routing
from ..settings import InvalidSettings, Settings
from .environment import Server, find_env_file, find_server, listens, local_settings
from .errors import Failure, failure_of
from .isolation import ProbeMissing, leaks

OLDEST_API: Final = (1, 41)  # of Docker 20.10, which Debian 12 has
ENGINE_TIMEOUT: Final = 10.0  # seconds

LEAKS_SHOWN: Final = 5

DASHBOARDS: Final = {
    "DISTROS_ADMIN_LISTEN": "Traefik’s dashboard",
    "DISTROS_PORTAINER_LISTEN": "Portainer",
}

START_DOCKER = "start it (`systemctl start docker`), or `make up`"


@dataclass(frozen=True, slots=True)
class Finding:
    about: str
    verdict: Literal["ok", "note", "problem"]
    said: str
    do: str | None = None


Findings = Iterator[Finding]


def examine() -> Findings:
    try:
        server = find_server()
        settings = None if server.remote else local_settings()
    except (InvalidSettings, Failure) as error:
        for line in str(error).splitlines():
            yield Finding("settings", "problem", line, "put it right in .env or the environment")
        return
    if settings is not None:
        yield Finding("settings", "ok", f"{settings.site_url} and {settings.instances_url}")
        yield from _env_file(settings)
        yield from dashboards(listens())
        yield from _catalog_and_engine(settings)
    yield from _server(server)
    if settings is not None:
        yield from _names(settings)


def _env_file(settings: Settings) -> Findings:
    path = find_env_file()
    if path is None or not path.exists():
        yield Finding(".env", "note", "there is none", "`make up` makes it, with its secrets")
        return
    secrets = {
        "DISTROS_SECRET_KEY": settings.secret_key,
        "DISTROS_ADMIN_TOKEN": settings.admin_token,
    }
    if missing := [name for name, value in secrets.items() if value is None]:
        said = f"{path} gives no value for {' and '.join(missing)}"
        yield Finding(".env", "problem", said, "`make up` makes them")
    elif path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Finding(".env", "note", f"others may read {path}", f"chmod 600 {path}")
    else:
        yield Finding(".env", "ok", str(path))


def dashboards(published: Mapping[str, str]) -> Findings:
    """Whether what is the admin's alone is published beyond this machine. Whoever reaches
    Portainer may try passwords that are root's here; the dashboard asks for none."""
    for name, what in DASHBOARDS.items():
        listen = published.get(name, "")
        if listen and not is_loopback_listen(listen):
            do = f"set {name} to 127.0.0.1:{listen.rpartition(':')[2]}, and go there through ssh -L"
            yield Finding("dashboards", "note", f"{what} is published on {listen}", do)


def is_loopback_listen(listen: str) -> bool:
    """Of `ADDRESS:PORT`; Compose publishes a mere port on every address."""
    host = listen.rpartition(":")[0].strip("[]")
    return bool(host) and is_loopback(host)


def _catalog_and_engine(settings: Settings) -> Findings:
    distributions: tuple[Distribution, ...] = ()
    try:
        distributions = tuple(load_catalog(settings.distributions_dir))
        yield Finding("catalogue", "ok", f"{len(distributions)} distributions")
    except InvalidCatalog as error:
        for problem in error.problems:
            yield Finding("catalogue", "problem", str(problem))
    try:
        version, info, present = asyncio.run(_ask_engine(settings.docker_url, distributions))
    except DistrosError as error:
        do = START_DOCKER if isinstance(error, EngineUnavailable) else None
        yield Finding("Docker Engine", "problem", error.message, do)
        return
    yield _engine_version(version)
    yield from confinement(info, distributions)
    yield from _images(distributions, present)
    yield asyncio.run(_network(settings))


async def _ask_engine(
    url: str, distributions: tuple[Distribution, ...]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, bool]]:
    """Its version, what it says of itself, and which images are there. Unlike `Engine.prepare` it
    creates nothing. {} from a socket proxy that does not let the second question pass."""
    sdk = Sdk(url, timeout=ENGINE_TIMEOUT)
    try:
        version = await sdk.call(lambda client: client.version())
        info: dict[str, Any] = {}
        with suppress(EngineError):
            info = await sdk.call(lambda client: client.info())
        present = {
            one.slug: await image_id(sdk, one.image.ref) is not None for one in distributions
        }
        return version, info, present
    finally:
        await sdk.close()


async def _network(settings: Settings) -> Finding:
    """What an instance reaches."""
    sdk = Sdk(settings.docker_url, timeout=2 * ENGINE_TIMEOUT)
    try:
        reached, tried = await sdk.call(lambda client: leaks(client, routing(settings)))
    except ProbeMissing as missing:
        return Finding("isolation", "note", f"not tried: {missing}", "`make up` makes it")
    except DistrosError as error:
        return Finding("isolation", "problem", f"cannot be tried: {error.message}")
    finally:
        await sdk.close()
    if reached:
        shown = ", ".join(map(str, reached[:LEAKS_SHOWN]))
        more = f" and {len(reached) - LEAKS_SHOWN} more" if len(reached) > LEAKS_SHOWN else ""
        said = f"an instance reaches {shown}{more}"
        return Finding("isolation", "problem", said, "`make up` applies the firewall")
    return Finding("isolation", "ok", f"an instance reaches none of {tried} addresses and ports")


def _engine_version(version: dict[str, Any]) -> Finding:
    said = f"version {version['Version']}, API {version['ApiVersion']}"
    if tuple(map(int, version["ApiVersion"].split("."))) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        do = f"install one with API {oldest} (Docker 20.10) or newer"
        return Finding("Docker Engine", "problem", said, do)
    return Finding("Docker Engine", "ok", said)


def confinement(info: dict[str, Any], distributions: Iterable[Distribution]) -> Findings:
    """Whether the engine has what confines instances: seccomp, and the runtimes asked for."""
    if not info:
        return
    options = info.get("SecurityOptions") or ()
    if not any(one.startswith("name=seccomp") and "unconfined" not in one for one in options):
        do = "take `seccomp-profile` out of daemon.json, or run a kernel that has seccomp"
        yield Finding("confinement", "problem", "no seccomp profile for instances", do)
    for one in distributions:
        if one.runtime is not None and one.runtime not in info.get("Runtimes", {}):
            said = f"{one.slug} asks for the runtime “{one.runtime}”, which the engine lacks"
            do = "install it and name it in daemon.json, or take `runtime` out of its file"
            yield Finding("confinement", "problem", said, do)
        elif one.runtime is not None:
            yield Finding("confinement", "ok", f"{one.slug} runs in “{one.runtime}”")
    if not any(one.startswith("name=userns") for one in options):
        said = "user numbers in instances are this machine's own"
        yield Finding("confinement", "note", said, "see userns-remap in docs/hardening.md")


def _images(distributions: tuple[Distribution, ...], present: dict[str, bool]) -> Findings:
    """A missing image is a note as long as something can be launched."""
    to_build = [one for one in distributions if one.image.build]
    missing = [one.slug for one in to_build if not present[one.slug]]
    if missing:
        verdict: Literal["note", "problem"] = "note" if any(present.values()) else "problem"
        said = f"not built yet: {', '.join(missing)}"
        yield Finding("images", verdict, said, f"distros images build {' '.join(missing)}")
    elif distributions:
        yield Finding("images", "ok", f"all {len(to_build)} that are built here are there")


def _server(server: Server) -> Findings:
    with Client(server.url, server.token) as client:
        try:
            client.health()
            yield Finding("server", "ok", f"{server.url} answers")
            for part, said in client.readiness().items():
                yield _part(part, said)
            if server.token is None:
                yield Finding("token", "note", "there is none", "set DISTROS_TOKEN")
                return
            client.instances()
            yield Finding("token", "ok", "the server accepts it")
        except ServerUnreachable as error:
            do = "check DISTROS_URL" if server.remote else "`make up` starts it"
            yield Finding("server", "problem", str(error), do)
        except Refused as error:
            failure = failure_of(error)
            yield Finding("token", "problem", str(error), failure.hint if failure else None)


def _part(name: str, said: str) -> Finding:
    if said == "ok":
        return Finding(f"server's {name}", "ok", said)
    return Finding(f"server's {name}", "problem", said, "the server's log says more")


def _names(settings: Settings) -> Findings:
    """Whether programs on this machine find the site and its instances by name."""
    hosts = (settings.site_domain, f"any.{settings.instance_domain}")
    unresolved = [host for host in hosts if not _resolves(host)]
    known = {host for host in unresolved if is_loopback(host)}
    for host in unresolved:
        if host not in known:
            shown = host.replace("any.", "*.", 1)
            said = f"{shown} does not resolve"
            yield Finding("names", "problem", said, "add it to the DNS")
    if known:
        port = httpx.URL(str(settings.site_url)).port or 80
        yield Finding(
            "names",
            "note",
            "this machine's resolver does not know *.localhost; browsers, curl and `distros` do",
            "for other programs install libnss-myhostname, or let them connect to "
            f"127.0.0.1:{port} with the site's Host header",
        )
    if not unresolved:
        yield Finding("names", "ok", "the site's and the instances' names resolve")


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False
