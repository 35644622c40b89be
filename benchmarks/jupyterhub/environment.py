"""Where JupyterHub and its proxy are installed: in a folder of their own, once.

Python packages by `requirements.txt` with every hash checked, the proxy by npm's lock file. To pin
both anew:

    uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
      benchmarks/jupyterhub/requirements.in -o benchmarks/jupyterhub/requirements.txt
    npm update --prefix benchmarks/jupyterhub --package-lock-only --omit-lockfile-registry-resolved
"""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINS = ("requirements.txt", "package.json", "package-lock.json")
OLDEST_NODE = 20  # configurable-http-proxy's package.json


class HubUnavailable(Exception):
    """JupyterHub cannot run here; the text says in one sentence what is missing."""


@dataclass(frozen=True)
class Environment:
    """The programs, ready to run."""

    jupyterhub: list[str]
    proxy: list[str]


def installed(folder: Path) -> Environment:
    """Installs into `folder` what is not there yet; raises `HubUnavailable`."""
    node = suitable_node()
    venv = folder / "venv"
    environment = Environment(
        jupyterhub=[str(venv / "bin/python"), "-m", "jupyterhub"],
        proxy=[
            node,
            str(folder / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"),
        ],
    )
    pins = b"".join((HERE / name).read_bytes() for name in PINS)
    wanted = f"{sys.version} {hashlib.sha256(pins).hexdigest()}"
    stamp = folder / "complete"
    if stamp.exists() and stamp.read_text() == wanted:
        return environment
    folder.mkdir(parents=True, exist_ok=True)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], folder)
    install = ["--quiet", "--compile-bytecode", "--system-certs", "--require-hashes"]
    requirements = str(HERE / "requirements.txt")
    run(
        [*uv, "pip", "install", *install, "--python", str(venv), "--requirement", requirements],
        folder,
    )
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)
    stamp.write_text(wanted)
    return environment


def suitable_node() -> str:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        raise HubUnavailable(f"JupyterHub's proxy needs node {OLDEST_NODE} or newer, and npm.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        raise HubUnavailable(
            f"JupyterHub's proxy needs node {OLDEST_NODE} or newer, here it is {version.strip()}."
        )
    return node


def run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        raise HubUnavailable("JupyterHub could not be installed within 10 minutes.") from None
    if done.returncode:
        tool = "uv" if "uv" in command else command[0]
        said = " ".join((done.stderr or done.stdout).split())
        raise HubUnavailable(f"JupyterHub could not be installed ({tool}): {said[:300]}")
