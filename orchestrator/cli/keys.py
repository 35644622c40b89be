"""Single keys from a terminal, without Enter; none where nobody sits at one."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Final

CTRL_C: Final = "\x03"


class Keys:
    """`active` where they can be read."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def active(self) -> bool:
        return self._descriptor is not None

    def pressed(self, within: float) -> str:
        """What was typed in the next seconds, as soon as it is; "" where nothing was."""
        if self._descriptor is None:
            time.sleep(within)
            return ""
        readable, _, _ = select.select([self._descriptor], [], [], within)
        if not readable:
            return ""
        typed = os.read(self._descriptor, 64).decode(errors="replace")
        if not typed:  # the terminal is gone
            self._descriptor = None
        if CTRL_C in typed:  # a terminal on which another program has left it a key like any other
            raise KeyboardInterrupt
        return typed


@contextlib.contextmanager
def reading_keys() -> Iterator[Keys]:
    """The terminal is as before at the end. Ctrl-C goes on to interrupt."""
    descriptor = _terminal()
    if descriptor is None:
        yield Keys(None)
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _terminal() -> int | None:
    """Standard input, where it is a terminal and this command is in its foreground: one in the
    background would be stopped."""
    try:
        descriptor = sys.stdin.fileno()
        if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except (OSError, ValueError, AttributeError):  # closed, replaced, or nobody's terminal
        pass
    return None
