"""Footprint: memory of the service and the CPU that it uses while nobody asks for anything."""

import time
from collections.abc import Iterator

import psutil

from benchmarks.figures import Figure
from benchmarks.laboratory import Laboratory

MEMORY_LIMIT = 150.0  # MiB
CPU_LIMIT = 2.0  # per cent of a core
IDLE = 60  # seconds: one of the lists that are made every minute falls into it
SHORT_IDLE = 15


def run(lab: Laboratory) -> Iterator[Figure]:
    lab.until_stocked()
    process = service_process(lab)
    time.sleep(2)  # what the last benchmark has left to do is done
    seconds = IDLE if lab.runs >= 10 else SHORT_IDLE
    started, own, whole = time.perf_counter(), cpu(process), container_cpu(lab)
    time.sleep(seconds)
    took = time.perf_counter() - started
    own, whole = cpu(process) - own, container_cpu(lab) - whole
    yield Figure(
        "footprint",
        "memory of the service (RSS)",
        process.memory_info().rss / 2**20,
        "MiB",
        MEMORY_LIMIT,
        "limit",
        1,
        live=lab.live,
    )
    for what, used in (
        ("idle CPU, the service", own),
        ("idle CPU, with Docker's health check of it", whole),
    ):
        yield Figure(
            "footprint",
            f"{what}, {seconds} s",
            100 * used / took,
            "%",
            CPU_LIMIT,
            "limit",
            1,
            live=lab.live,
        )


def service_process(lab: Laboratory) -> psutil.Process:
    """The largest in the container: the others are the init and, at times, a health check."""
    top = lab.engine.top(lab.container("orchestrator"))
    column = top["Titles"].index("PID")
    processes = [psutil.Process(int(row[column])) for row in top["Processes"]]
    return max(processes, key=lambda each: each.memory_info().rss)


def cpu(process: psutil.Process) -> float:
    """Seconds so far."""
    times = process.cpu_times()
    return times.user + times.system


def container_cpu(lab: Laboratory) -> float:
    """Seconds so far, of all that ran in the container."""
    stats = lab.engine.stats(lab.container("orchestrator"), stream=False, one_shot=True)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
