"""How the benchmarks' stack differs from that of `make up`.

Its images have names of their own, so that another stack's build meanwhile changes nothing. Then:

- `hello` may be launched by visitors, and a copy of each distribution without a pool stands beside
  it (`cold-hello` and so on), so that both kinds of start can be measured at any time;
- calls to the engine are counted: the guard logs each, Traefik's socket proxy tells how many;
- one more container serves static files with the same server, on the same image.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.stack import ROOT

NAME = "distros-bench"
COLD_REPOSITORY = f"{NAME}/cold"  # the same images once more: each distribution has its own
IMAGES = ("hello", "dokuwiki", "mediawiki")

STATIC_SERVER = """
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from orchestrator.cli.serving import OPTIONS
app = Starlette(routes=[Mount("/", StaticFiles(directory="/srv"))])
uvicorn.run(app, host="0.0.0.0", port=8000, **OPTIONS)
"""


def overlay(folder: Path) -> None:
    """Writes what is different in this stack."""
    distributions = folder / "distributions"
    for slug in IMAGES:
        source = ROOT / "distributions" / slug
        shutil.copytree(source, distributions / slug)
        text = (source / "distribution.toml").read_text().replace("listed = false\n", "")
        (distributions / slug / "distribution.toml").write_text(text)
        shutil.copytree(distributions / slug, distributions / f"cold-{slug}")
        cold = text.replace("min = 1\nmax = 4\n", "min = 0\nmax = 0\n")
        ref = f'ref = "{COLD_REPOSITORY}:{slug}"'
        cold = re.sub(r'^ref = ".*"$', ref, cold, count=1, flags=re.MULTILINE)
        (distributions / f"cold-{slug}" / "distribution.toml").write_text(cold)
    haproxy = (ROOT / "deploy/socket-proxy/haproxy.cfg").read_text()
    statistics = "\nfrontend statistics\n    bind :8404\n    stats enable\n    stats uri /\n"
    (folder / "counting.cfg").write_text(haproxy + statistics)
    (folder / "static").mkdir()
    mounted = "/etc/socket-proxy/haproxy.cfg:ro"
    services: dict[str, Any] = {
        "orchestrator": {
            "image": f"{NAME}-orchestrator",
            "volumes": [f"{distributions}:{distributions}:ro"],
        },
        "socket-proxy-traefik": {
            "image": f"{NAME}-socket-proxy",
            "volumes": [f"{folder}/counting.cfg:{mounted}"],
        },
        "socket-guard": {
            "image": f"{NAME}-orchestrator",
            "environment": {"DISTROS_LOG_LEVEL": "debug"},
            "volumes": [f"{distributions}:{distributions}:ro"],
        },
        "static": {
            "image": f"{NAME}-orchestrator",
            "pull_policy": "never",
            "init": True,
            "command": ["python3", "-c", STATIC_SERVER],
            "volumes": [f"{folder}/static:/srv:ro"],
            "networks": ["edge"],
        },
    }
    (folder / "compose.yml").write_text(yaml.safe_dump({"services": services}))
