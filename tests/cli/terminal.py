"""The command on a terminal of its own: a pseudo-terminal, with keys to press."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.settings import ROOT
from tests.support import ADMIN_TOKEN

from .conftest import Served

COMMAND = (str(Path(sys.executable).with_name("distros")),)
PATIENCE = 20.0  # seconds
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(r"\x1b\[[0-9;]+m")


@dataclass
class Terminal:
    process: subprocess.Popen[bytes]
    controller: int
    raw: str = ""
    _bytes: bytes = field(default=b"", repr=False)

    @property
    def shown(self) -> str:
        """Everything so far, without colours and movements."""
        return SEQUENCE.sub("", self.raw).replace("\r\n", "\n").replace("\r", "\n")

    def press(self, keys: str) -> None:
        os.write(self.controller, keys.encode())

    def until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read() or text in self.shown, self.shown

    def ended(self) -> int:
        """Its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, self.shown
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        """Whether more may come."""
        readable, _, _ = select.select([self.controller], [], [], 0.1)
        if not readable:
            return True
        try:
            piece = os.read(self.controller, 65536)
        except OSError:  # Linux says so where the other side has closed
            return False
        self._bytes += piece
        self.raw = self._bytes.decode(errors="replace")
        return bool(piece)


@contextmanager
def terminal(server: Served, *words: str, width: int = 100, **variables: str) -> Iterator[Terminal]:
    """`distros WORDS…` as the admin of `server`, in the foreground of a terminal."""
    controller, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    process = subprocess.Popen(
        ["setsid", "--ctty", "env", "--default-signal=INT", *COMMAND, *words],
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment(server) | {"TERM": "xterm-256color"} | variables,
    )
    os.close(side)
    try:
        yield Terminal(process, controller)
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def in_a_pipe(server: Served, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(server) | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | variables,
        text=True,
        timeout=30,
        check=False,
    )


def environment(server: Served) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ours = {"DISTROS_URL": server.url, "DISTROS_TOKEN": ADMIN_TOKEN, "PYTHONPATH": str(ROOT)}
    return kept | ours
