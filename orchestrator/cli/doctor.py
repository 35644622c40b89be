"""`doctor`: what is right and wrong, one line each, with what to do."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from .errors import ExitCode
from .output import AsJson, out, print_json

if TYPE_CHECKING:
    from .checks import Finding

STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check settings, catalogue, Docker Engine, images, what an instance reaches, and server.

    Each line says what to do. Exit code 1 if any line is a problem, which keeps sites from
    being launched; notes do not count. With DISTROS_URL only that server is checked.
    """
    from .checks import examine  # brings Docker's SDK; the other commands do not wait for that

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def _print(finding: "Finding") -> None:
    todo = f" → {finding.do}" if finding.do else ""
    verdict = (f"{finding.verdict:<9}", STYLES[finding.verdict])
    out.print(Text.assemble(verdict, f"{finding.about}: {finding.said}{todo}"), soft_wrap=True)
