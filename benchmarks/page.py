"""Writes the table and the plot of `docs/performance.md` from a run's figures.

python -m benchmarks.page figures.json
"""

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.chart import Row, svg
from benchmarks.figures import number
from tests.e2e.stack import ROOT

PAGE, PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
BEGIN, END = "<!-- figures: python -m benchmarks.page -->", "<!-- end of figures -->"


def table(figures: Iterable[Row]) -> Iterable[str]:
    yield "| benchmark | live | figure | | reference | | ratio | bar | |"
    yield "|---|--:|---|--:|---|--:|--:|--:|---|"
    for row in figures:
        bar = verdict = ""
        if row["bar"] is not None:
            bar = f"{'≤' if row['better'] == 'less' else '≥'} {row['bar']:g}"
            verdict = "met" if row["met"] else "**missed**"
        cells = (
            row["benchmark"],
            str(row["live"]),
            row["what"],
            f"{number(row['value'])} {row['unit']}".strip(),
            row["against"],
            f"{number(row['reference'])} {row['unit']}".strip(),
            number(row["ratio"]),
            bar,
            verdict,
        )
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path, help="what `--json` has written")
    figures = json.loads(parser.parse_args().figures.read_text())["figures"]
    block = "\n".join([BEGIN, "", *table(figures), "", END])
    page = PAGE.read_text()
    pattern = f"{re.escape(BEGIN)}.*{re.escape(END)}"
    PAGE.write_text(re.sub(pattern, lambda _: block, page, flags=re.DOTALL))
    PLOT.write_text(svg(figures))


if __name__ == "__main__":
    main()
