"""The benchmarks: each prints its figure beside its reference, measured in the same run.

python -m benchmarks [NAMES…] [--live 0,100,500] [--runs 20] [--json FILE]
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import (
    burst,
    claim,
    cold_start,
    expiry,
    footprint,
    landing,
    recovery,
    sustained,
    throughput,
)
from benchmarks.bare import engine
from benchmarks.figures import Figure, print_table, write_json
from benchmarks.growth import Growth
from benchmarks.jupyterhub.peer import HubUnavailable, running_hub
from benchmarks.laboratory import POOLS, Laboratory, laboratory
from tests.e2e.stack import ROOT

Run = Callable[[Laboratory], Iterator[Figure]]

HUB_PORT = 28280  # the first of three
WITHOUT_POOL: dict[str, Run] = {"cold-start": cold_start.run, "sustained": sustained.run}
ALONE: dict[str, Run] = {"claim": claim.run, "burst": burst.run}
AT_EACH_LEVEL: dict[str, Run] = {
    "growth": Growth().at,
    "throughput": throughput.run,
    "footprint": footprint.run,
    "recovery": recovery.run,
}
AT_THE_LAST: dict[str, Run] = {"expiry": expiry.run}
WITHOUT_STACK: dict[str, Callable[[int], Iterator[Figure]]] = {"landing": landing.run}
NAMES = [*WITHOUT_STACK, *WITHOUT_POOL, *ALONE, *AT_EACH_LEVEL, *AT_THE_LAST]


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
    """Without a stack, then in two, one after the other: without a pool, and with one."""
    for name, run in WITHOUT_STACK.items():
        if name in names:
            yield from run(runs)
    if names & set(WITHOUT_POOL):
        with laboratory(folder / "without", runs=runs) as lab, a_hub(lab):
            yield from chosen(WITHOUT_POOL, names, lab)
    if not names - set(WITHOUT_STACK) - set(WITHOUT_POOL):
        return
    with laboratory(folder / "with", runs=runs, live=levels[-1], pools=POOLS) as lab:
        if names & set(ALONE):
            with a_hub(lab):
                yield from chosen(ALONE, names, lab)
        at_levels = names & set(AT_EACH_LEVEL)
        for level in levels if at_levels else levels[-1:] if names & set(AT_THE_LAST) else []:
            if more := level - lab.live:
                progress(f"{more} more instances, in {lab.fill(level):.0f} s")
            yield from chosen(AT_EACH_LEVEL, names, lab)
        yield from chosen(AT_THE_LAST, names, lab)


def chosen(runs: Mapping[str, Run], names: set[str], lab: Laboratory) -> Iterator[Figure]:
    for name, run in runs.items():
        if name in names:
            progress(f"{name} at {lab.live}")
            yield from run(lab)


@contextmanager
def a_hub(lab: Laboratory) -> Iterator[None]:
    """JupyterHub beside it, where it can be had."""
    image = lab.catalog.get("hello").image.ref
    with ExitStack() as leaving:
        try:
            hub = running_hub(ROOT / ".state/jupyterhub", port=HUB_PORT, image=image)
            lab.hub = leaving.enter_context(hub)
        except HubUnavailable as why:
            progress(f"Without JupyterHub: {why}")
        yield
        lab.hub = None


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
