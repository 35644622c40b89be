"""The commands with which a visitor has the same application on a computer of their own."""

import shlex
from typing import Final

from .distribution import Distribution

PLACEHOLDER: Final = "choose-a-password"  # for the visitor to replace
PORT: Final = 8080  # on their computer

HARDENING: Final = ("--init", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def commands(distribution: Distribution, recipe_url: str) -> tuple[str, ...]:
    """For a shell: how to build the image from the folder at `recipe_url`, where it is built, and
    how to run it as an instance is run. Empty where the distribution does not want that."""
    if not distribution.at_home:
        return ()
    run = shlex.join(_run(distribution))
    if not distribution.image.build:
        return (run,)
    fetch = shlex.join(("curl", "--fail", "--location", recipe_url))
    return f"{fetch} | {shlex.join(('docker', 'build', '--tag', distribution.image.ref, '-'))}", run


def _run(distribution: Distribution) -> tuple[str, ...]:
    limits = distribution.limits
    environment = dict(distribution.environment)
    if distribution.login and distribution.login.password_env:
        environment[distribution.login.password_env] = PLACEHOLDER
    tmpfs = {
        path: f"rw,nosuid,nodev,mode=1777,size={_size(size)}"
        for path, size in distribution.tmpfs.items()
    }
    return (
        *("docker", "run", "--rm", "--publish", f"{PORT}:{distribution.port}"),
        *HARDENING,
        *("--memory", _size(limits.memory), "--memory-swap", _size(limits.memory)),
        *("--cpus", f"{limits.cpus:g}", "--pids-limit", str(limits.pids)),
        *(word for path, options in tmpfs.items() for word in ("--tmpfs", f"{path}:{options}")),
        *(word for name, value in environment.items() for word in ("--env", f"{name}={value}")),
        distribution.image.ref,
    )


def _size(size: int) -> str:
    """As Docker reads it: in MiB where that is a whole number, else in bytes."""
    mebibytes, rest = divmod(int(size), 1024**2)
    return f"{int(size)}" if rest else f"{mebibytes}m"
