"""The commands with which a visitor has the same application on a computer of their own.

It runs there as an instance does (`engine/container.py`), but for what only a server's machine has:
its runtimes, its limit of what is written to the disk, its order in which programs give way.
"""

import shlex
from typing import Final

from .distribution import Distribution

PLACEHOLDER: Final = "choose-a-password"  # for the visitor to replace
PORT: Final = 8080  # on their computer

HARDENING: Final = (
    *("--init", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--ipc", "private", "--shm-size", "16m", "--ulimit", "core=0"),
)


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


def restoring(distribution: Distribution, file_name: str) -> str | None:
    """For a shell, while that container runs: how to put what was taken away (`take_away.py`) into
    it. What cannot be written there is the image's own. None where there is nothing to put back."""
    if not distribution.at_home or distribution.take_away is None:
        return None
    writable = tuple(f"{path}/" for path in distribution.writable)
    back = [
        path.removeprefix("/")
        for path in distribution.take_away.paths
        if distribution.weaker.writable_root or f"{path}/".startswith(writable)
    ]
    unpack = ("tar", "-C", "/", "--no-overwrite-dir", "-xzf", "-", "--", *back)
    command = shlex.join(("docker", "exec", "-i", distribution.slug, *unpack))
    return f"{command} < {shlex.quote(file_name)}" if back else None


def _run(distribution: Distribution) -> tuple[str, ...]:
    limits, weaker, user = distribution.limits, distribution.weaker, distribution.image.user
    environment = dict(distribution.environment)
    if distribution.login and distribution.login.password_env:
        environment[distribution.login.password_env] = PLACEHOLDER
    return (
        *("docker", "run", "--rm", "--name", distribution.slug),
        *("--publish", f"{PORT}:{distribution.port}"),
        *HARDENING,
        *(word for each in sorted(weaker.capabilities) for word in ("--cap-add", each)),
        *(("--user", user) if user else ()),
        *(() if weaker.writable_root else ("--read-only",)),
        *("--memory", _size(limits.memory), "--memory-swap", _size(limits.memory)),
        *("--cpus", f"{limits.cpus:g}", "--pids-limit", str(limits.pids)),
        *(
            word
            for path, size in distribution.writable.items()
            for word in ("--tmpfs", f"{path}:{_tmpfs(size, user or '')}")
        ),
        *(word for name, value in environment.items() for word in ("--env", f"{name}={value}")),
        distribution.image.ref,
    )


def _tmpfs(size: int, user: str) -> str:
    """Its owner is the user where that is known: a folder of the image may be closed to others."""
    uid, _, gid = user.partition(":")
    owner = {"uid": uid, "gid": gid}.items()
    options = f"rw,nosuid,nodev,noexec,mode=1777,size={_size(size)}"
    return ",".join([options, *(f"{key}={one}" for key, one in owner if one)])


def _size(size: int) -> str:
    """As Docker reads it: in MiB where that is a whole number, else in bytes."""
    mebibytes, rest = divmod(int(size), 1024**2)
    return f"{int(size)}" if rest else f"{mebibytes}m"
