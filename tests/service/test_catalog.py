"""What the catalogue promises to whoever writes a distribution.toml."""

from pathlib import Path

import pytest

from orchestrator.catalog import FILE, Catalog, InvalidCatalog, load_catalog
from orchestrator.catalog_problems import Problem
from orchestrator.domain.errors import UnknownDistribution
from orchestrator.settings import ROOT

GOOD = """
name = "{name}"
summary = "For a test."
version = "1"
homepage = "https://example.org/"
category = "wiki"
image = {{ ref = "{ref}" }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "distributions"
    path.mkdir()
    return path


def write(folder: Path, slug: str, text: str | None = None) -> None:
    (folder / slug).mkdir()
    text = GOOD.format(name=slug.title(), ref=f"test/{slug}:1") if text is None else text
    (folder / slug / FILE).write_text(text)


def problems(folder: Path) -> list[Problem]:
    with pytest.raises(InvalidCatalog) as caught:
        load_catalog(folder)
    return list(caught.value.problems)


def problem(slug: str, key: str, message: str, hint: str) -> Problem:
    return Problem(f"distributions/{slug}/{FILE}", key, message, hint)


def with_lines(*lines: str) -> str:
    return GOOD.format(name="Wiki", ref="test/wiki:1") + "\n".join(lines)


def test_the_shipped_catalogue_is_valid() -> None:
    catalog = load_catalog(ROOT / "distributions")
    assert [each.slug for each in catalog] == ["dokuwiki", "drupal", "hello", "mediawiki"]
    assert [each.slug for each in catalog.listed()] == ["dokuwiki", "drupal", "mediawiki"]


def test_it_iterates_by_name_and_knows_every_folder(folder: Path) -> None:
    write(folder, "zebra", GOOD.format(name="aardvark", ref="test/zebra:1"))
    write(folder, "apple", GOOD.format(name="Apple", ref="test/apple:1"))
    (folder / ".git").mkdir()
    (folder / "README.md").write_text("Not a distribution.")
    catalog = load_catalog(folder)
    assert [each.slug for each in catalog] == ["zebra", "apple"]
    assert len(catalog) == 2
    assert catalog.get("apple").name == "Apple"
    assert catalog.folder("apple") == folder / "apple"


def test_an_unlisted_distribution_is_hidden_but_can_be_had(folder: Path) -> None:
    write(folder, "hidden", "listed = false\n" + with_lines())
    catalog = load_catalog(folder)
    assert catalog.listed() == ()
    assert catalog.get("hidden").listed is False


def test_an_unknown_slug_is_an_unknown_distribution() -> None:
    with pytest.raises(UnknownDistribution):
        Catalog([]).get("nothing")
    with pytest.raises(UnknownDistribution):
        Catalog([]).folder("../etc")


def test_it_reports_every_problem_at_once(folder: Path) -> None:
    write(folder, "good")
    (folder / "no-file").mkdir()
    write(folder, "Bad_Name", "port = 0\n" + GOOD.format(name="Bad", ref="test/bad:1"))
    write(folder, "broken", 'name = "x"\nsummary = \n')
    write(folder, "same", GOOD.format(name="Same", ref="test/good:1"))
    write(
        folder,
        "wrong",
        with_lines(
            'listed = "yes"',
            "port = 99999",
            "lifetime = 40",
            'zzz = "MIT"',
            "[readiness]",
            'path = "no slash"',
            'status = ["200"]',
            "[limits]",
            'memory = "12"',
            "[login]",
            'path = "/login"',
        ),
    )
    assert problems(folder) == [
        Problem(
            "distributions/Bad_Name",
            "",
            "is no usable folder name",
            "use 2 to 32 small letters, digits and hyphens, beginning with a letter",
        ),
        problem("Bad_Name", "port", "is 0", "use 1 or more"),
        problem(
            "broken",
            "line 2, column 11",
            "is not TOML (Invalid value)",
            "see https://toml.io",
        ),
        problem("no-file", "", "is missing", "write one, or remove the folder"),
        problem("wrong", "listed", 'is "yes"', "use true or false"),
        problem("wrong", "port", "is 99999", "use 65535 or less"),
        problem(
            "wrong",
            "lifetime",
            "is 40",
            'it must be a whole number with a unit, such as "60s", "40m", "2h" or "7d"',
        ),
        problem(
            "wrong",
            "readiness.path",
            'is "no slash"',
            'use a path that begins with "/" and has no spaces',
        ),
        problem("wrong", "readiness.status.0", 'is "200"', "use a whole number"),
        problem(
            "wrong",
            "limits.memory",
            'is "12"',
            'it must be at least "6MiB", the smallest that Docker accepts',
        ),
        problem("wrong", "login.user", "is missing", "add it: User name."),
        problem(
            "wrong",
            "zzz",
            "is not a key",
            "use one of name, summary, version, homepage, category, inside, source, at_home, "
            "listed, port, lifetime, image, readiness, limits, pool, environment, tmpfs, runtime, "
            "terminal, database, login, links, take_away, weaker",
        ),
        problem(
            "same",
            "image.ref",
            'is "test/good:1", as good\'s is',
            "give each distribution an image of its own",
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "key", "message", "hint"),
    [
        (["[limits]", "memroy = 1"], "limits.memroy", "is not a key", "did you mean memory?"),
        (["slug = 'x'"], "slug", "is not a key", "rename the folder: it is the slug"),
        (
            ["[login]", 'path = "/"', 'user = "a"'],
            "login",
            "is contradictory",
            "it needs either `password` or `password_env`, and not both",
        ),
        (
            ["[login]", 'path = "/"', 'user = "a"', 'password = "b"', 'link = "/sign-in"'],
            "login",
            "is contradictory",
            "it needs `password_env` for its `link`: anyone could make the key of a fixed password",
        ),
        (
            [
                "[login]",
                'path = "/"',
                'user = "a"',
                'password_env = "B"',
                'link = "/?page=sign-in"',
            ],
            "login.link",
            'is "/?page=sign-in"',
            "it must be a path alone, such as /sign-in.php: a query is added to it",
        ),
        (["readiness = 3"], "readiness", "is 3", "use a table"),
        (["[limits]", "cpus = 0"], "limits.cpus", "is 0", "use more than 0"),
        (["[limits]", "cpus = true"], "limits.cpus", "is true", "use a number"),
        (["[limits]", "pids = 1"], "limits.pids", "is 1", "use 8 or more"),
        (["[readiness]", "status = []"], "readiness.status", "is []", "name at least 1"),
        (
            ["[environment]", 'lower = "x"'],
            "environment.lower",
            'is "lower"',
            "use capital letters, digits and _, such as ADMIN_PASSWORD",
        ),
        (
            ["[readiness]", 'deadline = "0s"'],
            "readiness.deadline",
            'is "0s"',
            'it must be from "1s" to "30m"',
        ),
        (
            ["[readiness]", 'deadline = "9999h"'],
            "readiness.deadline",
            'is "9999h"',
            'it must be from "1s" to "30m"',
        ),
        (["[tmpfs]", '"/tmp" = "64"'], "tmpfs./tmp", 'is "64"', 'it must be at least "64KiB"'),
        (
            ["[tmpfs]", '"/" = "1MiB"'],
            "tmpfs./",
            'is "/"',
            'use the path of a folder, such as "/tmp"',
        ),
        (
            ["[login]", 'path = "/"', 'user = "a"', 'password_env = "PATH"'],
            "login.password_env",
            'is "PATH"',
            "it must be a name of its own, such as ADMIN_PASSWORD",
        ),
        (
            ["[login]", 'path = "/"', 'user = "a"', 'password_env = "LD_PRELOAD"'],
            "login.password_env",
            'is "LD_PRELOAD"',
            "it must be a name of its own, such as ADMIN_PASSWORD",
        ),
        (
            [
                "[login]",
                'path = "/"',
                'user = "a"',
                'password_env = "X"',
                "[environment]",
                'X = "1"',
            ],
            "login.password_env",
            'is "X", which [environment] sets too',
            "use another name",
        ),
        (["[tmpfs]", '"/tmp" = "big"'], "tmpfs./tmp", 'is "big"', 'use a size such as "256MiB"'),
        (
            ["[tmpfs]", '"/tmp" = "1MiB"', '"/run" = "256MiB"'],
            "tmpfs",
            "takes 269,484,032 bytes in all, limits.memory allows 268,435,456",
            "use less of it, or raise limits.memory",
        ),
    ],
)
def test_it_says_what_was_wrong_and_what_would_be_right(
    folder: Path, lines: list[str], key: str, message: str, hint: str
) -> None:
    write(folder, "wiki", with_lines(*lines))
    assert problems(folder) == [problem("wiki", key, message, hint)]


@pytest.mark.parametrize(
    "ref",
    ["foo bar:1", "UPPER/Case:1", "distros/Mywiki:1.0", "", ":1", "wiki:", "a//b", "a/b:1:2", "-a"],
)
def test_a_reference_that_docker_would_refuse(folder: Path, ref: str) -> None:
    write(folder, "wiki", GOOD.format(name="Wiki", ref=ref))
    hint = 'use an image reference in small letters, such as "distros/mywiki:1.0"'
    assert problems(folder) == [problem("wiki", "image.ref", f'is "{ref}"', hint)]


@pytest.mark.parametrize(
    "ref",
    [
        "debian",
        "distros/my-wiki:1.0_RC",
        "localhost:5000/a/b__c:x",
        "Registry.example/a.b/c",
        f"ghcr.io/a/b:1@sha256:{'0' * 64}",
    ],
)
def test_a_reference_that_docker_takes(folder: Path, ref: str) -> None:
    write(folder, "wiki", GOOD.format(name="Wiki", ref=ref))
    assert load_catalog(folder).get("wiki").image.ref == ref


def test_a_wrong_key_hides_nothing_else(folder: Path) -> None:
    write(folder, "good")
    build = with_lines("port = 0", "[tmpfs]", '"/tmp" = "1GiB"').replace(
        '{ ref = "test/wiki:1" }', '{ ref = "test/good:1", build = true }'
    )
    write(folder, "wiki", f'slug = "x"\n{build}')
    assert [(one.key, one.message) for one in problems(folder)] == [
        ("slug", "is not a key"),
        ("port", "is 0"),
        ("image.build", "is true without a Dockerfile"),
        ("tmpfs", "takes 1,074,790,400 bytes in all, limits.memory allows 268,435,456"),
        ("image.ref", 'is "test/good:1", as good\'s is'),
    ]


def test_missing_keys_come_with_what_they_are_for(folder: Path) -> None:
    text = 'name = "X"\nsummary = "x"\nversion = "1"\nhomepage = "x"\ncategory = "zoo"\n'
    write(folder, "wiki", text)
    assert problems(folder) == [
        problem(
            "wiki", "homepage", 'is "x"', 'use a full address, such as "https://www.example.org/"'
        ),
        problem(
            "wiki",
            "category",
            'is "zoo"',
            "use one of 'cms', 'wiki', 'shop', 'blog', 'forum' or 'other'",
        ),
        problem("wiki", "image", "is missing", "add it: the table [image]"),
    ]


def test_an_image_to_build_needs_a_dockerfile(folder: Path) -> None:
    text = with_lines().replace('{ ref = "test/wiki:1" }', '{ ref = "a:1", build = true }')
    write(folder, "wiki", text)
    hint = "add a Dockerfile beside it, or set it to false"
    expected = problem("wiki", "image.build", "is true without a Dockerfile", hint)
    assert problems(folder) == [expected]
    (folder / "wiki" / "Dockerfile").touch()
    assert len(load_catalog(folder)) == 1


def test_a_catalogue_without_distributions_is_a_problem(folder: Path) -> None:
    expected = Problem("distributions", "", "has no distributions", f"add a folder with a {FILE}")
    assert problems(folder) == [expected]
    assert problems(folder / "nowhere") == [
        Problem("nowhere", "", "has no distributions", f"add a folder with a {FILE}")
    ]


def test_a_file_that_is_not_text_is_a_problem(folder: Path) -> None:
    write(folder, "wiki")
    (folder / "wiki" / FILE).write_bytes(b"\xff\xfe")
    assert problems(folder) == [problem("wiki", "", "is not UTF-8", "save it as UTF-8")]


def test_the_message_has_one_line_for_each_problem(folder: Path) -> None:
    write(folder, "wiki", with_lines("port = 0", "[limits]", "pids = 1"))
    with pytest.raises(InvalidCatalog) as caught:
        load_catalog(folder)
    assert str(caught.value).splitlines() == [
        "distributions/wiki/distribution.toml: port is 0; use 1 or more",
        "distributions/wiki/distribution.toml: limits.pids is 1; use 8 or more",
    ]
