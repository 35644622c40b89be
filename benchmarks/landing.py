"""The front page with forty distributions, beside a static file of the same size from the same
process: Starlette's StaticFiles, without any of the service's own layers.

It needs no engine: the service runs on fakes, and what it renders is the same. Each is asked for
again and again on a connection of its own, in batches that alternate, and so does which is first.
"""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from benchmarks.figures import Figure, median, percentile

BATCH: Final = 100  # requests
BAR: Final = 1.2
HOST: Final = {"Host": "distros.localhost"}
ENCODINGS: Final = {"gzip": "gzip, deflate, br", "uncompressed": "identity"}


def run(runs: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as port:
        for encoding, accepted in ENCODINGS.items():
            headers = HOST | {"Accept-Encoding": accepted}
            yield compared(Path(folder), port, encoding, headers, runs)


def compared(folder: Path, port: int, encoding: str, headers: dict[str, str], runs: int) -> Figure:
    address = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=address, headers=headers, trust_env=False) as client:
        page = client.get("/").raise_for_status()
        size = int(page.headers["Content-Length"])
        (folder / "static" / f"{size}.html").write_bytes(b" " * size)
        client.get(f"/same-size/{size}.html").raise_for_status()
    took: dict[str, list[float]] = {"/": [], f"/same-size/{size}.html": []}
    for turn in range(runs):
        for path in sorted(took, reverse=bool(turn % 2)):
            took[path] += times(port, path, headers)
    page_took, file_took = took.values()
    return Figure(
        "landing",
        f"front page with 40 distributions, {encoding}",
        median(page_took),
        "ms",
        median(file_took),
        "static file, same size, same server",
        bar=BAR,
        details={
            "bytes": size,
            "p90": percentile(page_took, 0.9),
            "p90 of the file": percentile(file_took, 0.9),
        },
    )


def times(port: int, path: str, headers: dict[str, str]) -> Iterator[float]:
    """Milliseconds until the whole answer is there. Raises where one is not 200."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for _ in range(BATCH):
            started = time.perf_counter()
            connection.sendall(request)
            receive_answer(connection)
            yield 1000 * (time.perf_counter() - started)


def receive_answer(connection: socket.socket) -> None:
    received, length = b"", None
    while length is None or len(received) < length:
        received += connection.recv(1 << 18)
        head, complete, _ = received.partition(b"\r\n\r\n")
        if length is None and complete:
            assert head.startswith(b"HTTP/1.1 200 "), head
            announced = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            length = len(head) + len(complete) + int(announced)


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of a process of its own; `folder/static` is below `/same-size`, and what it logs
    goes into `folder/log`."""
    (folder / "static").mkdir()
    program = [sys.executable, "-m", "benchmarks.forty", str(folder)]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout
        try:
            if not (port := process.stdout.readline()):
                raise RuntimeError(f"no service: {(folder / 'log').read_text()[-2000:]}")
            yield int(port)
        finally:
            process.terminate()
