"""What the pages say is true: generated parts are fresh, examples work, links lead somewhere."""

import re
import shlex
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from pydantic import TypeAdapter

from orchestrator.catalog import load_catalog
from orchestrator.cli import app
from orchestrator.settings import ROOT, InvalidSettings, Settings, load_settings
from orchestrator.web.schemas import LaunchRequest

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def shell_lines(text: str) -> list[list[str]]:
    """The commands in a page's shell examples, as words."""
    joined = "\n".join(blocks(text, "sh")).replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def test_the_generated_parts_are_fresh() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "generate.py"), "--check"]
    result = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


def test_the_readme_s_distribution_passes_the_schema(tmp_path: Path) -> None:
    (example,) = blocks(README, "toml")
    (tmp_path / "mywiki").mkdir()
    (tmp_path / "mywiki" / "distribution.toml").write_text(example)
    (tmp_path / "mywiki" / "Dockerfile").write_text("FROM scratch\n")

    (distribution,) = load_catalog(tmp_path)

    assert distribution.image.ref == tomllib.loads(example)["image"]["ref"]


def test_the_readme_s_settings_have_the_defaults_it_shows() -> None:
    example = (ROOT / ".env.example").read_text()
    rows = re.findall(r"^\| `(DISTROS_\w+)` \| `([^`]+)` \|", README, re.MULTILINE)

    assert len(rows) == 5
    for name, default in rows:
        assert f"# {name}={default}\n" in example


def test_the_page_of_limits_says_what_0_means_of_each_setting() -> None:
    page = (ROOT / "docs/limits.md").read_text()
    cells = re.findall(r"^\|.*\| ([^|]*) \|$", page, re.MULTILINE)[2:]
    named = [found for cell in cells for found in re.findall(r"`DISTROS_(\w+)`( \(.*?\))?", cell)]

    assert len(named) > 10
    assert all(cell == "*fixed*" or "`DISTROS_" in cell for cell in cells)
    for name, note in named:
        field = Settings.model_fields[name.lower()]
        unit = "s" if field.annotation is timedelta else ""
        try:
            load_settings(**{name.lower(): f"0{unit}"})  # type: ignore[arg-type]
        except InvalidSettings:
            assert "not 0)" in note
        else:
            assert "not 0)" not in note
            assert ("0: none)" in note) is ("0 for none" in (field.description or ""))


def test_postgresql_is_not_promised_as_long_as_no_driver_comes_along() -> None:
    assert not re.findall(r"asyncpg|psycopg", (ROOT / "constraints.txt").read_text())
    described = Settings.model_fields["database_url"].description or ""
    pages = [ROOT / "docs/backup.md", ROOT / "docs/decisions/0001-libraries.md"]
    for text in (described, *(page.read_text() for page in pages)):
        assert "no driver" in " ".join(text.split()) and "no test has run on it" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`(tests/[\w./-]+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_this_machine_s_folders(page: Path) -> None:
    assert str(ROOT) not in page.read_text()


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    read = set(re.findall(r"\$\{(DISTROS_\w+)", (ROOT / "docker-compose.yml").read_text()))
    settings = {f"DISTROS_{name}".upper() for name in Settings.model_fields}
    example = (ROOT / ".env.example").read_text()

    shown = set(re.findall(r"^(?:# )?(DISTROS_\w+)=", example, re.MULTILINE))

    assert read | settings <= shown
    assert str(ROOT) not in example


def test_a_copy_of_the_example_changes_nothing_but_wants_the_secrets() -> None:
    assigned = re.findall(r"^\w+=.*$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(assigned) == ["DISTROS_ADMIN_TOKEN=", "DISTROS_SECRET_KEY="]


def test_every_command_in_an_example_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    seen = 0
    for page in PAGES:
        for words in shell_lines(page.read_text()):
            for position, word in enumerate(words):
                if word.rpartition("/")[2].rpartition("(")[2] == "distros":
                    assert words[position + 1] in commands, words
                    seen += 1
    assert seen >= 4


def test_the_examples_bodies_are_accepted() -> None:
    bodies = [
        words[words.index(option) + 1]
        for page in PAGES
        for words in shell_lines(page.read_text())
        for option in ("-d", "--json")
        if words[0] == "curl" and option in words
    ]
    assert len(bodies) == 2
    for body in bodies:
        TypeAdapter(LaunchRequest).validate_json(body)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_curl_example_reads_is_set_before_it(page: Path) -> None:
    examples = [each for each in blocks(page.read_text(), "sh") if "curl " in each]
    for example in examples:
        before, _, call = example.partition("\ncurl ")
        for name in re.findall(r"\$(DISTROS_\w+)", call):
            assert f"{name}=" in before, name
        # With DISTROS_URL the command no longer looks into .env.
        assert before.find("token show)") <= before.find("DISTROS_URL=")


def test_the_dockerfile_goes_with_the_readme_s_distribution(tmp_path: Path) -> None:
    """It has been built by hand; here only that the two agree."""
    page = (ROOT / "docs" / "distributions.md").read_text()
    (dockerfile,) = re.findall(r"^ +```dockerfile\n(.*?)^ +```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "mywiki").mkdir()
    (tmp_path / "mywiki" / "distribution.toml").write_text(blocks(README, "toml")[0])
    (tmp_path / "mywiki" / "Dockerfile").write_text(dockerfile)

    (distribution,) = load_catalog(tmp_path)

    assert f"EXPOSE {distribution.port}\n" in dockerfile
    assert distribution.readiness.text is not None and distribution.readiness.text in dockerfile


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"`make ([a-z]+)`", page.read_text())
        + re.findall(r"^make ([a-z]+)", page.read_text(), re.MULTILINE)
    }

    assert {"up", "test"} <= named <= targets
