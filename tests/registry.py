"""A real image registry for the tests: Debian's `docker-registry` on a free port of this machine,
and a tap in front of it, which lets through as much as a test says.

Docker speaks plain HTTP to registries on 127.0.0.0/8, so no certificate is needed.
"""

import asyncio
import contextlib
import io
import math
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import httpx
import pytest

PROGRAM: Final = "docker-registry"
HOST: Final = "127.0.0.1"
PATIENCE: Final = 20.0  # seconds

CONFIG: Final = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: "{folder}/storage"}}}}
http: {{addr: "{host}:{port}"}}
"""


@dataclass
class Registry:
    port: int
    client: docker.APIClient
    process: subprocess.Popen[bytes]
    refs: set[str] = field(default_factory=set)  # all that the engine may have copies of

    def ref(self, name: str, *, port: int | None = None) -> str:
        """Where Docker finds that image; `port` of a tap, to have it through the tap."""
        ref = f"{HOST}:{port or self.port}/{name}:1"
        self.refs.add(ref)
        return ref

    def push(self, name: str, *layers: bytes, base: str = "scratch") -> str:
        """Builds and pushes an image of these layers; the engine keeps none of it."""
        ref = self.ref(name)
        # Not the same path twice: the layers of `base` are of this making too.
        files = {f"{name}-{number}": layer for number, layer in enumerate(layers)}
        recipe = [f"FROM {base}", *(f"COPY {file} /{file}" for file in files)]
        files["Dockerfile"] = "\n".join(recipe).encode()
        _succeed(
            self.client.build(
                fileobj=_tar(files), custom_context=True, tag=ref, rm=True, decode=True
            )
        )
        _succeed(self.client.push(ref, stream=True, decode=True))
        self.forget(ref)
        return ref

    def forget(self, ref: str) -> None:
        """Removes the engine's copy, if it has one."""
        with contextlib.suppress(docker.errors.ImageNotFound):
            self.client.remove_image(ref, force=True)

    def forget_all(self) -> None:
        for ref in self.refs:
            self.forget(ref)

    def die(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running_registry(folder: Path, client: docker.APIClient) -> Iterator[Registry]:
    """Skips the test where the program is not installed."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed: `scripts/packages.sh tests` does it on Debian")
    port = free_port()
    config, log = folder / "registry.yml", folder / "registry.log"
    config.write_text(CONFIG.format(folder=folder, host=HOST, port=port))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(config)], stdout=output, stderr=subprocess.STDOUT
        )
    registry = Registry(port, client, process)
    try:
        _wait_until_it_answers(registry, log)
        yield registry
    finally:
        registry.die()
        registry.forget_all()


def noise(size: int) -> bytes:
    """So many bytes that compression makes no smaller, never the same twice."""
    return os.urandom(size)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(registry: Registry, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{HOST}:{registry.port}/v2/", trust_env=False).raise_for_status()
            return
        if registry.process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{PROGRAM} does not answer:\n{log.read_text()}")
        time.sleep(0.02)


def _tar(files: dict[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return packed


def _succeed(lines: Iterable[dict[str, Any]]) -> None:
    errors = [line["error"] for line in lines if "error" in line]
    assert not errors, errors


class Tap:
    """A way to a registry; each connection carries `flow` bytes back to Docker, and then holds."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self._to = to
        self._flow = math.inf
        self._turned = asyncio.Condition()
        self._open: set[asyncio.Task[None]] = set()

    async def turn(self, flow: float) -> None:
        async with self._turned:
            self._flow = flow
            self._turned.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await self._relay(reader, writer)
        finally:
            self._open.discard(task)
            writer.transport.abort()  # what is not sent by now is not to be

    async def cut(self) -> None:
        """Ends all connections, as the death of the registry's machine would."""
        for task in self._open.copy():
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self._to)
        there = asyncio.create_task(self._copy(reader, far_writer))
        back = asyncio.create_task(self._copy(far_reader, writer, throttled=True))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.transport.abort()
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, throttled: bool = False
    ) -> None:
        passed = 0
        while data := await reader.read(16384):
            passed += len(data)
            if throttled:
                await self._hold(passed)
            writer.write(data)
            await writer.drain()

    async def _hold(self, passed: int) -> None:
        async with self._turned:
            await self._turned.wait_for(lambda: passed <= self._flow)


@asynccontextmanager
async def open_tap(registry: Registry) -> AsyncIterator[Tap]:
    tap = Tap(registry.port)
    server = await asyncio.start_server(tap.serve, HOST, 0)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()
        await asyncio.sleep(0)  # connections that were accepted just now begin
        await tap.cut()
        await asyncio.sleep(0)  # and all that were aborted are gone
