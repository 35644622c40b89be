"""docs/reliability.md names tests that exist, and every scenario is in it."""

import ast
import re
from pathlib import Path

from orchestrator.settings import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()
TESTS = ROOT / "tests"
FAULTS = TESTS / "faults"
HARNESS = {"test_proxy", "test_engine"}  # the tests of the harness itself


def defined(where: Path) -> dict[str, str]:
    """Every test below a folder with its module's name."""
    return {
        node.name: module.stem
        for module in where.rglob("test_*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named - defined(TESTS).keys() == set()


def test_every_scenario_is_named_or_its_module_is() -> None:
    missing = {
        name
        for name, module in defined(FAULTS).items()
        if module not in HARNESS and f"`{name}`" not in PAGE and f"{module}.py" not in PAGE
    }
    assert missing == set()


def test_every_file_that_it_names_exists() -> None:
    paths = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []


def test_each_promise_has_its_row() -> None:
    assert re.findall(r"^\| (P\d) \|", PAGE, re.MULTILINE) == [f"P{n}" for n in range(1, 8)]
