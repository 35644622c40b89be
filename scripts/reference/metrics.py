"""The metrics, from the table that declares them."""

from collections.abc import Iterator

from orchestrator.metrics import METRICS

from .markdown import code, table


def section() -> Iterator[str]:
    yield from ("## Metrics", "")
    yield from table(
        ("Metric", "Kind", "Labels", "What it is"),
        (
            (code(each.full_name), each.kind, ", ".join(map(code, each.labels)), each.help)
            for each in METRICS
        ),
    )
