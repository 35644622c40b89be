"""A Docker Engine of the tests' own, to be killed, starved and made deaf.

It shares nothing with the machine's: containerd, socket and state are in a folder of its own, the
data are on a file system in a file of limited size, its network is a namespace of which the machine
reaches 10.230.0.0/15, and it writes no firewall rules. What is left of it is removed with it,
whatever a test did.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import psutil
import requests

NETWORKS: Final = IPv4Network("10.230.0.0/15")
GATEWAYS: Final = IPv4Network("10.229.255.252/30")  # between the machine and the engine
POOL: Final = "base=10.230.0.0/16,size=24"  # for networks that name no subnet
SUBNET: Final = "10.231.0.0/16"  # for the service under test
DISK: Final = "1G"  # sparse: it takes what is written to it
PATIENCE: Final = 60.0  # seconds; an engine that has not started by then has failed

_CONTAINERD: Final = """\
version = 2
root = "{folder}/data/containerd"
state = "{folder}/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/run/containerd.sock"
"""


def unusable() -> str | None:
    """Why no such engine can be had here, or None."""
    if os.geteuid() != 0:
        return "an engine of the tests' own needs root"
    for program in ("dockerd", "containerd", "mkfs.ext4", "losetup", "ip", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed: scripts/packages.sh installs it"
    found = subprocess.run(["losetup", "--find"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return f"this kernel has no loop device to give: {found.stderr.strip()}"
    return None


class Disk:
    """A file system in a file: `size` as `truncate` reads it, mounted at `path`."""

    def __init__(self, folder: Path, name: str, size: str) -> None:
        self.path = folder / name
        self._file = folder / f"{name}.img"
        self._filler = self.path / "filler"
        run("truncate", "--size", size, self._file)
        run("mkfs.ext4", "-q", "-m", "0", self._file)
        self.path.mkdir()
        run("mount", "-o", "loop", self._file, self.path)
        self._filler.touch()  # while there is room for its name

    def fill(self, *, leave: int = 0) -> None:
        """Until only `leave` bytes are free."""
        free = shutil.disk_usage(self.path).free
        with self._filler.open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, free - leave - 64 * 1024))
            with contextlib.suppress(OSError):
                while shutil.disk_usage(self.path).free > leave:
                    filler.seek(0, os.SEEK_END)
                    filler.write(b"\0" * 4096)
                    filler.flush()

    def empty(self) -> None:
        os.truncate(self._filler, 0)

    def close(self) -> None:
        subprocess.run(["umount", "--recursive", self.path], capture_output=True, check=False)
        if os.path.ismount(self.path):  # somebody still works in there: gone with the last of them
            run("umount", "--recursive", "--lazy", self.path)
        self.path.rmdir()
        self._file.unlink()


class Namespace:
    """The engine's own, which the machine reaches by a route, if that is wanted. In the machine's
    network a second engine would remove the first one's `docker0`."""

    def __init__(self, *, reached: bool) -> None:
        self.name = f"distros-{secrets.token_hex(4)}"
        self.path = Path("/run/netns") / self.name
        run("ip", "netns", "add", self.name)
        try:
            self._inside("link", "set", "lo", "up")
            if reached:
                self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        outside = f"o-{self.name[-8:]}"
        peer = ("peer", "name", "outside", "netns", self.name)
        run("ip", "link", "add", outside, "type", "veth", *peer)
        run("ip", "address", "add", f"{GATEWAYS[1]}/30", "dev", outside)
        run("ip", "link", "set", outside, "up")
        self._inside("address", "add", f"{GATEWAYS[2]}/30", "dev", "outside")
        self._inside("link", "set", "outside", "up")
        self._inside("route", "add", "default", "via", str(GATEWAYS[1]))
        run("ip", "route", "add", str(NETWORKS), "via", str(GATEWAYS[2]))

    def _inside(self, *words: str) -> None:
        run("ip", "--netns", self.name, *words)

    def close(self) -> None:
        """Its link to the machine goes with it, and the route with the link."""
        run("ip", "netns", "delete", self.name)


class OwnEngine:
    def __init__(self, folder: Path, *, disk: str = DISK, reached: bool = True) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.log = folder / "dockerd.log"
        self._network = Namespace(reached=reached)
        self._run = folder / "run"
        self._run.mkdir()
        self.disk = Disk(folder, "data", disk)
        (folder / "daemon.json").write_text("{}")
        (folder / "containerd.toml").write_text(_CONTAINERD.format(folder=folder))
        self._containerd = self._spawn("containerd", "--config", folder / "containerd.toml")
        self._dockerd: subprocess.Popen[bytes] | None = None

    # -- what happens to it ----------------------------------------------------------------------

    def start(self, *, live_restore: bool = False) -> None:
        """Returns once it answers."""
        (self._run / "docker.pid").unlink(missing_ok=True)  # a killed one leaves it
        self._dockerd = self._spawn(
            *("nsenter", f"--net={self._network.path}", "dockerd"),
            *("--config-file", self.folder / "daemon.json", "--host", self.url),
            *("--containerd", self._run / "containerd.sock", "--pidfile", self._run / "docker.pid"),
            *("--data-root", self.disk.path / "docker", "--exec-root", self._run / "docker"),
            *("--bridge", "none", "--default-address-pool", POOL),
            *("--iptables=false", "--ip6tables=false", "--ip-masq=false"),
            f"--live-restore={str(live_restore).lower()}",
        )
        give_up = time.monotonic() + PATIENCE
        while not self.answers():
            if self._dockerd.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"dockerd does not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """A black hole: it takes connections, and answers nothing."""
        assert self._dockerd is not None
        self._dockerd.send_signal(signal.SIGSTOP)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def thaw(self) -> None:
        if self._dockerd is not None:
            self._dockerd.send_signal(signal.SIGCONT)

    @property
    def runs(self) -> bool:
        return self._dockerd is not None and self._dockerd.poll() is None

    def answers(self) -> bool:
        try:
            with self.client(timeout=2) as client:
                client.ping()
        except (docker.errors.DockerException, requests.RequestException, OSError):
            return False
        return True

    # -- what a test does past the service -------------------------------------------------------

    @contextmanager
    def client(self, *, timeout: float = 20) -> Iterator[docker.APIClient]:
        """Raises OSError where nobody listens. (The SDK would leave its socket open then.)"""
        with socket.socket(socket.AF_UNIX) as there:
            there.settimeout(timeout)
            there.connect(str(self.socket))
        client = docker.APIClient(self.url, version="1.41", timeout=timeout)  # type: ignore[arg-type]
        try:
            yield client
        finally:
            client.close()

    def load(self, ref: str, *names: str) -> None:
        """Brings an image over from the machine's own engine, under these names too."""
        save = ["docker", "save", ref]
        with subprocess.Popen(save, stdout=subprocess.PIPE) as saving:
            run("docker", "--host", self.url, "load", "--quiet", stdin=saving.stdout)
        assert saving.returncode == 0, f"`docker save {ref}` failed"
        with self.client() as client:
            for name in names:
                repository, _, tag = name.partition(":")
                client.tag(ref, repository, tag)

    def containers(self, **labels: str) -> list[dict[str, Any]]:
        """As `docker ps --all` lists them."""
        filters = {"label": [f"{key.replace('_', '.')}={value}" for key, value in labels.items()]}
        with self.client() as client:
            return client.containers(all=True, filters=filters)  # type: ignore[no-any-return]

    # -- its end ---------------------------------------------------------------------------------

    def close(self) -> None:
        with contextlib.suppress(Exception):  # whatever is still wrong with it
            self.thaw()
            if not self.runs:
                self.start()
            self._remove_everything()
        self._end(signal.SIGTERM)
        self._containerd.terminate()
        self._containerd.wait(PATIENCE)
        for left in processes_of(self.folder):
            left.kill()
        self.disk.close()
        self._network.close()
        shutil.rmtree(self.folder)

    def _remove_everything(self) -> None:
        with self.client() as client:
            for container in client.containers(all=True):
                client.remove_container(container["Id"], v=True, force=True)
            for network in client.networks():
                if network["Driver"] == "bridge":
                    client.remove_network(network["Id"])

    def _end(self, how: signal.Signals) -> None:
        if self._dockerd is None:
            return
        self._dockerd.send_signal(how)
        try:
            self._dockerd.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._dockerd.kill()
            self._dockerd.wait()
        self._dockerd = None

    def _spawn(self, *words: str | Path) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


@contextmanager
def own_engine(*, disk: str = DISK, reached: bool = True) -> Iterator[OwnEngine]:
    """Started, and removed with all that it made. The machine reaches the containers of one such
    engine at a time. (Paths of sockets must be short.)"""
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="distros-engine-")), disk=disk, reached=reached)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


def run(*words: str | Path, stdin: Any = None) -> str:
    done = subprocess.run(words, stdin=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that work for the engine in `folder`: containerd's shims name its socket."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
