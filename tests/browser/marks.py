"""`scripts/lighthouse.sh URL`: Lighthouse's four marks for a page, on a phone and on a desktop.

It ends with exit code 1 where one is below 95, and says what Lighthouse found.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.settings import ROOT
from tests.e2e.browser import ARGUMENTS, EXECUTABLE

PROGRAM: Final = ROOT / ".state" / "lighthouse" / "node_modules" / "lighthouse" / "cli" / "index.js"
FORMS: Final = {"phone": [], "desktop": ["--preset=desktop"]}  # on a phone the line is slow, too
DEADLINE: Final = 120.0  # seconds
BAR: Final = 95
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Report:
    marks: dict[str, int]  # category → 0 to 100
    findings: tuple[str, ...]  # what took marks away

    @property
    def good(self) -> bool:
        return len(self.marks) == 4 and min(self.marks.values()) >= BAR


def best_of(url: str, form: str) -> Report:
    """A busy machine takes marks away that the page deserves, or keeps Lighthouse from its work
    altogether: so there are other tries. Raises RuntimeError where none came to a report."""
    reports: list[Report] = []
    failures: list[RuntimeError] = []
    while len(reports) + len(failures) < TRIES and not any(each.good for each in reports):
        try:
            reports.append(measure(url, form))
        except RuntimeError as error:
            failures.append(error)
    if not reports:
        raise failures[-1]
    return max(reports, key=lambda each: min(each.marks.values()))


def measure(url: str, form: str) -> Report:
    """Raises RuntimeError where Lighthouse does not work."""
    flags = " ".join(["--headless=new", *ARGUMENTS])
    command = ["node", str(PROGRAM), url, "--quiet", "--output=json", "--output-path=stdout"]
    command += ["--no-enable-error-reporting", f"--chrome-flags={flags}", *FORMS[form]]
    try:
        ended = subprocess.run(
            command,
            env=os.environ | {"CHROME_PATH": EXECUTABLE},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(str(error)) from error
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr or ended.stdout)
    return report_of(json.loads(ended.stdout))


def report_of(result: dict[str, Any]) -> Report:
    categories = result["categories"]
    marks = {name: round(100 * (each["score"] or 0)) for name, each in categories.items()}
    weighed = {
        ref["id"] for each in categories.values() for ref in each["auditRefs"] if ref["weight"]
    }
    audits = [result["audits"][each] for each in sorted(weighed)]
    low = [each for each in audits if each["score"] is not None and each["score"] < 1]
    return Report(marks, tuple(f"{each['title']} ({each['score']:g})" for each in low))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("url")
    url, good = parser.parse_args().url, True
    for form in FORMS:
        try:
            report = best_of(url, form)
        except RuntimeError as error:
            sys.exit(str(error).strip())
        print(f"{form}: {', '.join(f'{name} {mark}' for name, mark in report.marks.items())}")
        for each in report.findings:
            print(f"  {each}")
        good = good and report.good
    sys.exit(not good)


if __name__ == "__main__":
    main()
