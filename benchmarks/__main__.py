"""The benchmarks: each prints its figure beside its reference, measured in the same run.

python -m benchmarks [NAMES…] [--live 0,100,500] [--runs 20] [--json FILE]
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import (
    burst,
    claim,
    cold_start,
    expiry,
    footprint,
    recovery,
    sustained,
    throughput,
)
from benchmarks.bare import engine
from benchmarks.figures import Figure, print_table, write_json
from benchmarks.growth import Growth
from benchmarks.jupyterhub.peer import HubUnavailable, running_hub
from benchmarks.laboratory import Laboratory, laboratory
from tests.e2e.stack import ROOT

Run = Callable[[Laboratory], Iterator[Figure]]

HUB_PORT = 28280  # the first of three
ALONE: dict[str, Run] = {
    "claim": claim.run,
    "cold-start": cold_start.run,
    "sustained": sustained.run,
    "burst": burst.run,
}
AT_EACH_LEVEL: dict[str, Run] = {
    "growth": Growth().at,
    "throughput": throughput.run,
    "footprint": footprint.run,
    "recovery": recovery.run,
}
AT_THE_LAST: dict[str, Run] = {"expiry": expiry.run}
NAMES = [*ALONE, *AT_EACH_LEVEL, *AT_THE_LAST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--live", default="0,100,500", help="levels of live instances")
    parser.add_argument("--runs", type=int, default=20, help="of each kind (default 20)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    levels = sorted({int(each) for each in options.live.split(",")})
    figures: list[Figure] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for figure in measured(Path(folder), set(options.names or NAMES), levels, options.runs):
                figures.append(figure)
                progress(f"  {figure.what}: ratio {figure.ratio:.3g} {figure.verdict}")
    finally:
        print_table(figures)
        if options.json:
            write_json(options.json, machine(options.runs), figures)
    sys.exit(any(figure.met is False for figure in figures))


def measured(folder: Path, names: set[str], levels: list[int], runs: int) -> Iterator[Figure]:
    with laboratory(folder, runs=runs, live=levels[-1]) as lab:
        with ExitStack() as leaving:
            if names & {"claim", "cold-start", "burst"}:
                try:
                    hub = running_hub(
                        ROOT / ".state/jupyterhub",
                        port=HUB_PORT,
                        image=lab.catalog.get("hello").image.ref,
                    )
                    lab.hub = leaving.enter_context(hub)
                except HubUnavailable as why:
                    progress(f"Without JupyterHub: {why}")
            for name, run in ALONE.items():
                if name in names:
                    progress(name)
                    yield from run(lab)
        lab.hub = None
        at_levels = {name: run for name, run in AT_EACH_LEVEL.items() if name in names}
        at_last = {name: run for name, run in AT_THE_LAST.items() if name in names}
        for level in levels if at_levels else levels[-1:] if at_last else []:
            if more := level - lab.live:
                progress(f"{more} more instances, in {lab.fill(level):.0f} s")
            for name, run in at_levels.items():
                progress(f"{name} at {level}")
                yield from run(lab)
        for name, run in at_last.items():
            progress(f"{name} at {levels[-1]}")
            yield from run(lab)


def machine(runs: int) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "engine": engine().version()["Version"],
        "python": platform.python_version(),
        "runs": runs,
        "date": time.strftime("%Y-%m-%d"),
    }


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
