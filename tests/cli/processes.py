"""`distros serve` as a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import httpx

from orchestrator.settings import ROOT

PROGRAM = (sys.executable, "-c", "from orchestrator.cli import main; main()", "serve")
ON_FAKES = (sys.executable, "-m", "tests.cli.service_on_fakes", "serve")


@contextmanager
def started(
    variables: dict[str, str],
    port: int,
    program: Sequence[str] = PROGRAM,
    *,
    output: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        program,
        env=os.environ | variables | {"DISTROS_PORT": str(port), "PYTHONPATH": str(ROOT)},
        stdout=output,
        stderr=None if output == subprocess.DEVNULL else subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
