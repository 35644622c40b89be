"""What is taken of a site, put back at home by the commands that its README prints."""

import secrets
import shlex
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from orchestrator.domain import at_home, take_away
from orchestrator.domain.distribution import Distribution

from .test_distribution_images import PASSWORD, docker, image_of, running, wait_until_ready

WRITES = {  # shell commands that make a page of {text}
    "dokuwiki": "echo {text} >/tmp/page && HTTP_HOST=localhost "
    "php /usr/share/dokuwiki/bin/dwpage.php commit -m test /tmp/page taken",
    "mediawiki": "echo {text} | php maintenance/run.php edit -u Admin -s test Taken",
}
PAGES = {"dokuwiki": "/taken", "mediawiki": "/wiki/Taken"}

slugs = pytest.mark.parametrize("slug", PAGES)


def write(container: str, slug: str, text: str) -> None:
    docker("exec", container, "sh", "-c", WRITES[slug].format(text=text))


def packed(container: str, distribution: Distribution, file: Path) -> None:
    """As the service packs it, but for the README."""
    assert distribution.take_away is not None
    command = take_away.command(distribution.take_away)
    with file.open("wb") as archive:
        packing = ["docker", "exec", container, *command]
        done = subprocess.run(packing, stdout=archive, stderr=subprocess.PIPE, check=False)
    assert take_away.is_whole(distribution.take_away, done.returncode), done.stderr
    subprocess.run(["gzip", file], check=True)


@contextmanager
def home(distribution: Distribution) -> Iterator[httpx.Client]:
    """The application, started by the printed command; any free port is its, instead of 8080."""
    *_, run = at_home.commands(distribution, "http://distros.example/recipe.tar.gz")
    words = shlex.split(run)
    words[words.index("--publish") + 1] = f"127.0.0.1::{distribution.port}"
    words.insert(words.index("run") + 1, "--detach")
    subprocess.run(["docker", "rm", "--force", distribution.slug], capture_output=True, check=False)
    try:
        docker(*words[1:])
        at = docker("port", distribution.slug, str(distribution.port)).splitlines()[0]
        with httpx.Client(base_url=f"http://{at}", timeout=30, trust_env=False) as client:
            wait_until_ready(distribution, client, distribution.slug)
            yield client
    finally:
        docker("rm", "--force", distribution.slug)


@slugs
def test_what_was_taken_away_runs_on_at_home(slug: str, tmp_path: Path) -> None:
    distribution = image_of(slug)
    archive = tmp_path / f"{slug}.tar"
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as site:
        write(site.container, slug, "from-the-sandbox")
        assert "from-the-sandbox" in site.client.get(PAGES[slug]).text
        packed(site.container, distribution, archive)
    put_back = at_home.restoring(distribution, f"{slug}.tar.gz")
    assert put_back is not None
    with home(distribution) as client:
        assert "from-the-sandbox" not in client.get(PAGES[slug]).text
        subprocess.run(["bash", "-c", put_back], cwd=tmp_path, check=True)
        assert "from-the-sandbox" in client.get(PAGES[slug]).text
        write(slug, slug, "at-home")  # it is the owner's still
        assert "at-home" in client.get(PAGES[slug]).text


@slugs
def test_everything_that_it_names_is_in_it(slug: str, tmp_path: Path) -> None:
    distribution = image_of(slug)
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as site:
        packed(site.container, distribution, tmp_path / "site.tar")
        assert docker("exec", site.container, "sh", "-c", "ls -d /tmp/tmp.* 2>&1 || true").endswith(
            "No such file or directory"
        )  # no copy is left behind
    with tarfile.open(tmp_path / "site.tar.gz") as archive:
        found = archive.getnames()
    assert distribution.take_away is not None
    for name in take_away.names(distribution.take_away):
        assert name in found


def test_a_database_in_use_is_of_one_moment(tmp_path: Path) -> None:
    distribution = image_of("mediawiki")
    with (
        running(distribution, ADMIN_PASSWORD=PASSWORD) as site,
        repeated(lambda: write(site.container, "mediawiki", secrets.token_hex(4))),
    ):
        for number in range(3):
            packed(site.container, distribution, tmp_path / f"{number}.tar")
    for number in range(3):
        with tarfile.open(tmp_path / f"{number}.tar.gz") as archive:
            archive.extract("var/lib/mediawiki/data/wiki.sqlite", tmp_path / str(number))
        file = tmp_path / str(number) / "var/lib/mediawiki/data/wiki.sqlite"
        with sqlite3.connect(file) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("SELECT count(*) FROM page").fetchone()[0] >= 1


@contextmanager
def repeated(action: Callable[[], None]) -> Iterator[None]:
    """Again and again, beside what is done meanwhile."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
