"""Every distribution's image on the real engine, confined as instances are, without the service."""

import html
import re
import secrets
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.catalog import load_catalog
from orchestrator.domain import tickets
from orchestrator.domain.distribution import Distribution
from orchestrator.domain.naming import foreign_labels
from orchestrator.engine.admission import user_of
from orchestrator.engine.container import host_config
from orchestrator.engine.sdk import Client
from orchestrator.settings import ROOT

CATALOG = load_catalog(ROOT / "distributions")
HOST = "demo-abc.sandbox.localhost:8080"
ID = "abcdefghijkm"
PASSWORD = "a-Password_of-this-instance"
WWW_DATA = 33
DOCKER_URL = "unix:///var/run/docker.sock"

slugs = pytest.mark.parametrize("slug", [each.slug for each in CATALOG])
listed = pytest.mark.parametrize("slug", [each.slug for each in CATALOG.listed()])
linked = pytest.mark.parametrize(
    "slug", [each.slug for each in CATALOG if each.login and each.login.link]
)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def image_of(slug: str) -> Distribution:
    """The distribution, once its image is known to be there."""
    distribution = CATALOG.get(slug)
    ref = distribution.image.ref
    if docker("images", "--quiet", ref):
        return distribution
    if slug == "drupal":
        pytest.skip(f"{ref} is not here: Composer's registry cannot be reached where it is missing")
    pytest.fail(f"{ref} is not here: make it with `distros images build {slug}`")


@dataclass(frozen=True)
class Running:
    container: str
    client: httpx.Client  # asks as Traefik does for a visitor of HOST


@contextmanager
def running(distribution: Distribution, **environment: str) -> Iterator[Running]:
    """A container as the engine starts it, ready by the distribution's own measure."""
    name = f"distros-test-images-{distribution.slug}-{secrets.token_hex(3)}"
    try:
        with closing(Client(DOCKER_URL, timeout=30)) as engine:
            image: dict[str, Any] = engine.inspect_image(distribution.image.ref)  # type: ignore[no-untyped-call]
            user = user_of(distribution, image["Config"])
            engine.create_container(
                distribution.image.ref,
                name=name,
                user=user,
                environment=distribution.environment | environment,
                host_config=host_config(engine, "bridge", distribution, user),
            )
            engine.start(name)
        address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)
        with httpx.Client(
            base_url=f"http://{address}:{distribution.port}",
            headers={"Host": HOST},
            timeout=30,
            trust_env=False,
        ) as client:
            wait_until_ready(distribution, client, name)
            yield Running(name, client)
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True)


def wait_until_ready(distribution: Distribution, client: httpx.Client, name: str) -> None:
    ready = distribution.readiness
    end = time.monotonic() + ready.deadline.total_seconds()
    seen = "nothing listens"
    while time.monotonic() < end:
        try:
            answer = client.get(ready.path)
            if answer.status_code in ready.status and (ready.text or "") in answer.text:
                return
            seen = f"{answer.status_code}: {answer.text[:200]}"
        except httpx.TransportError as error:
            seen = repr(error)
        time.sleep(0.02)
    pytest.fail(f"not ready in time ({seen}); its log: {docker('logs', '--tail=20', name)}")


def wiki(slug: str) -> Iterator[Running]:
    with running(image_of(slug), ADMIN_PASSWORD=PASSWORD) as started:
        yield started


@pytest.fixture(scope="module")
def dokuwiki() -> Iterator[Running]:
    yield from wiki("dokuwiki")


@pytest.fixture(scope="module")
def mediawiki() -> Iterator[Running]:
    yield from wiki("mediawiki")


def statuses(container: str) -> list[dict[str, str]]:
    """What the kernel says of every process of it: user, capabilities, seccomp."""
    pids = docker("top", container, "-eo", "pid").splitlines()[1:]
    texts = [Path(f"/proc/{pid.strip()}/status").read_text() for pid in pids]
    return [dict(re.findall(r"^(\w+):\s+(.+)$", text, re.MULTILINE)) for text in texts]


# -- all of them -----------------------------------------------------------------------------------


@slugs
def test_it_is_ready_within_its_deadline_and_none_of_its_processes_has_any_privilege(
    slug: str,
) -> None:
    with running(image_of(slug)) as started:
        started.client.get("/")  # whoever serves it is there by now
        found = statuses(started.container)
    uid = 65534 if slug == "hello" else WWW_DATA
    assert len(found) >= 2  # init, and the site
    for process in found:
        # Real, effective, saved, and for files.
        assert process["Uid"].split() == process["Gid"].split() == [str(uid)] * 4
        capabilities = {key: value for key, value in process.items() if key.startswith("Cap")}
        assert len(capabilities) == 5 and {int(one, 16) for one in capabilities.values()} == {0}
        assert process["NoNewPrivs"] == "1"
        assert process["Seccomp"] == "2"  # a filter


@listed
def test_php_runs_as_no_other_than_the_webs_user(slug: str) -> None:
    with running(image_of(slug)) as started:
        started.client.get("/")
        apache = [one for one in statuses(started.container) if one["Name"] == "apache2"]
    assert len(apache) >= 2
    assert {one["Uid"].split()[1] for one in apache} == {str(WWW_DATA)}


@slugs
def test_it_can_write_nowhere_but_in_folders_in_memory(slug: str) -> None:
    distribution = image_of(slug)
    with running(distribution) as started:
        inside = Path("/proc") / docker("inspect", "-f", "{{.State.Pid}}", started.container)
        mounts = [line.split() for line in (inside / "mounts").read_text().splitlines()]
        writable = {
            path: kind
            for _, path, kind, options, *_ in mounts
            if "rw" in options.split(",") and is_own_folder(inside / "root" / path[1:])
        }
    assert [options.split(",")[0] for _, path, _, options, *_ in mounts if path == "/"] == ["ro"]
    writable.pop("/dev/mqueue")  # messages, of which each user has few
    memory = {"/dev/shm", *distribution.writable}  # noqa: S108
    assert writable == dict.fromkeys(memory, "tmpfs")


def is_own_folder(path: Path) -> bool:
    """Whether a user without privileges can write there."""
    found = path.stat()
    return path.is_dir() and (found.st_uid != 0 or bool(found.st_mode & stat.S_IWOTH))


@slugs
def test_its_image_brings_no_labels_of_ours_no_health_check_and_no_volumes(slug: str) -> None:
    ref = image_of(slug).image.ref
    labels = docker("inspect", "-f", "{{range $k, $_ := .Config.Labels}}{{println $k}}{{end}}", ref)
    assert foreign_labels(dict.fromkeys(labels.split(), "")) == []
    assert docker("inspect", "-f", "{{.Config.Healthcheck}} {{.Config.Volumes}}", ref) == (
        "<nil> map[]"
    )


@slugs
def test_its_page_names_no_host_but_the_visitors_and_has_all_its_parts(slug: str) -> None:
    distribution = image_of(slug)
    with running(distribution) as started:
        page = started.client.get(distribution.readiness.path).text
        own = re.findall(r"//([^/\"'<>\s]*(?:localhost|127\.|172\.)[^/\"'<>\s]*)", page)
        assert set(own) <= {HOST}
        assert started.client.base_url.host not in page
        for part in parts(page):
            url = httpx.URL(f"http://{HOST}").join(html.unescape(part))
            assert url.netloc.decode() == HOST
            assert started.client.get(url.raw_path.decode()).status_code == 200, url


def parts(page: str) -> list[str]:
    """What a browser fetches to show the page: styles, scripts and images."""
    links = re.findall(r"<link\b[^>]*>", page)
    styles = [link for link in links if re.search(r'rel="(stylesheet|icon|shortcut icon)"', link)]
    hrefs = [href for link in styles for href in re.findall(r'href="([^"]+)"', link)]
    return hrefs + re.findall(r'<(?:script|img)\b[^>]*?\bsrc="([^"]+)"', page)


@slugs
def test_behind_https_its_links_say_so(slug: str) -> None:
    distribution = image_of(slug)
    with running(distribution) as started:
        page = started.client.get(
            distribution.readiness.path, headers={"X-Forwarded-Proto": "https"}
        )
        assert f"http://{HOST}" not in page.text


# -- what differs per visitor ----------------------------------------------------------------------


def title(client: httpx.Client, label: str, path: str = "/") -> str:
    """What the page is called for who comes by this first part of the address."""
    page = client.get(path, headers={"Host": f"{label}.sandbox.localhost:8080"})
    found = re.search(r"<title>(.*?)</title>", page.text, re.DOTALL)
    return html.unescape(found[1]) if found else ""


@listed
def test_it_is_called_as_its_address_says_whatever_was_shown_before(slug: str) -> None:
    distribution = image_of(slug)
    own = distribution.name
    with running(distribution) as started:
        for label, name in (
            (ID, own),
            (f"my-first-wiki-{ID}", "My first wiki"),
            (f"x-{ID}", "X"),
            (f"My--2nd-WIKI-{ID}", "My 2nd wiki"),
            (f"my-first-wiki-{ID}", "My first wiki"),
            (f"-x-{ID}", own),
            (f"demo-{ID[1:]}", own),
            (f"demo-{ID[1:]}l", own),  # no letter of an id
            (ID, own),
        ):
            assert name in title(started.client, label), label
        page = started.client.get("/", headers={"Host": f"my-first-wiki-{ID}.example.org"})
        assert (distribution.readiness.text or "") in page.text


@listed
def test_nothing_but_letters_digits_and_spaces_of_an_address_gets_into_the_page(slug: str) -> None:
    with running(image_of(slug)) as started:
        for label in (f"a_b-{ID}", f"<b>x</b>-{ID}", f"a%3Cb-{ID}", f"a&b-{ID}", f"é-{ID}"):
            host = f"{label}.sandbox.localhost".encode()
            page = started.client.get("/", headers={b"Host": host})
            assert page.status_code in (400, 200), label
            found = re.search(r"<title>(.*?)</title>", page.text, re.DOTALL)
            assert not found or not re.search(r"[_{<%&é]", html.unescape(found[1])), label


def one_time_path(distribution: Distribution, password: str = PASSWORD) -> str:
    assert distribution.login is not None and distribution.login.link is not None
    return tickets.one_time_path(distribution.login.link, password)


def is_admin(slug: str, client: httpx.Client) -> bool:
    if slug == "dokuwiki":
        return "Configuration Settings" in client.get("/start", params={"do": "admin"}).text
    asked = {"action": "query", "meta": "userinfo", "format": "json"}
    name: str = client.get("/api.php", params=asked).json()["query"]["userinfo"]["name"]
    return name == "Admin"


def leads_to_the_login_page(distribution: Distribution, answer: httpx.Response) -> bool:
    assert distribution.login is not None
    return (answer.status_code, answer.headers["location"]) == (303, distribution.login.path)


@linked
def test_its_link_signs_in_once_and_then_leads_to_the_login_page(slug: str) -> None:
    distribution = image_of(slug)
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as started:
        client, path = started.client, one_time_path(distribution)
        first = client.get(path)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        assert first.headers["cache-control"] == "no-store"
        assert first.headers["referrer-policy"] == "no-referrer"
        assert is_admin(slug, client)
        client.cookies.clear()
        assert leads_to_the_login_page(distribution, client.get(path))
        assert not is_admin(slug, client)


@linked
def test_what_is_not_its_key_is_refused_and_uses_nothing_up(slug: str) -> None:
    distribution = image_of(slug)
    path = one_time_path(distribution)
    page, key = path.split("?key=")
    other = one_time_path(distribution, "another-password")
    wrong = (page, f"{page}?key=", f"{page}?key[]={key}", f"{path}0", path.upper(), other)
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as started:
        answers = [started.client.get(each.replace(page.upper(), page)) for each in wrong]
        answers += [started.client.head(path), started.client.post(page, data={"key": key})]
        assert all(leads_to_the_login_page(distribution, answer) for answer in answers)
        assert not is_admin(slug, started.client)
        assert started.client.get(path).headers["location"] == "/"


@linked
def test_of_five_who_bring_its_key_at_once_one_is_signed_in(slug: str) -> None:
    distribution = image_of(slug)
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as started:

        def visit(_: int) -> tuple[str, bool]:
            address = started.client.base_url
            with httpx.Client(base_url=address, headers={"Host": HOST}, trust_env=False) as one:
                return one.get(one_time_path(distribution)).headers["location"], is_admin(slug, one)

        with ThreadPoolExecutor(5) as threads:
            seen = list(threads.map(visit, range(5)))
    assert distribution.login is not None
    assert sorted(seen) == [("/", True)] + [(distribution.login.path, False)] * 4


@linked
def test_without_a_password_no_key_signs_in(slug: str) -> None:
    distribution = image_of(slug)
    with running(distribution) as started:
        for password in ("", "admin"):
            answer = started.client.get(one_time_path(distribution, password))
            assert leads_to_the_login_page(distribution, answer)


@linked
def test_its_log_has_the_visit_and_not_the_key(slug: str) -> None:
    distribution = image_of(slug)
    page, key = one_time_path(distribution).split("?key=")
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as started:
        started.client.get(f"{page}?key={key}")
        log = docker("logs", started.container)
    assert f'"GET {page} HTTP/1.1" 303' in log and '"GET / HTTP/1.1" 200' in log
    assert key not in log and PASSWORD not in log


# -- DokuWiki --------------------------------------------------------------------------------------


def hidden_fields(page: str, form: str) -> dict[str, str]:
    """The hidden inputs of the form with this id, which DokuWiki wants back."""
    found = re.search(rf'<form[^>]*id="{form}".*?</form>', page, re.DOTALL)
    assert found, page
    inputs = re.findall(r'<input type="hidden" name="([^"]+)"\s+value="([^"]*)"', found[0])
    return {name: html.unescape(value) for name, value in inputs}


def dokuwiki_sign_in(client: httpx.Client, password: str) -> httpx.Response:
    client.cookies.clear()
    fields = hidden_fields(client.get("/start", params={"do": "login"}).text, "dw__login")
    fields |= {"u": "admin", "p": password}
    return client.post("/start", params={"do": "login"}, data=fields)


def test_dokuwiki_lets_its_admin_in_with_this_instances_password(dokuwiki: Running) -> None:
    wrong = dokuwiki_sign_in(dokuwiki.client, "wrong")
    assert wrong.status_code == 403 and "username or password was wrong" in wrong.text
    dokuwiki_sign_in(dokuwiki.client, PASSWORD)
    admin = dokuwiki.client.get("/start", params={"do": "admin"})
    assert "Configuration Settings" in admin.text and "Extension Manager" not in admin.text


def test_a_changed_password_ends_dokuwiki_s_link() -> None:
    distribution = image_of("dokuwiki")
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as started:
        dokuwiki_sign_in(started.client, PASSWORD)
        profile = started.client.get("/start", params={"do": "profile"})
        fields = hidden_fields(profile.text, "dw__register")
        fields |= {"fullname": "Anna", "email": "anna@example.org", "oldpass": PASSWORD}
        fields |= {"newpass": "the-Password_they-chose", "passchk": "the-Password_they-chose"}
        changed = started.client.post("/start", params={"do": "profile"}, data=fields)
        assert "successfully updated" in changed.text
        started.client.cookies.clear()
        answer = started.client.get(one_time_path(distribution))
        assert leads_to_the_login_page(distribution, answer)
        assert not is_admin("dokuwiki", started.client)


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [("title", "Another", "Another"), ("tagline", "Another", "My wiki")],
)
def test_dokuwiki_is_called_otherwise_once_its_admin_says_so_and_not_before(
    setting: str, value: str, name: str
) -> None:
    where = {"do": "admin", "page": "config"}
    with running(image_of("dokuwiki"), ADMIN_PASSWORD=PASSWORD) as started:
        dokuwiki_sign_in(started.client, PASSWORD)
        fields = hidden_fields(started.client.get("/start", params=where).text, "dw__configform")
        fields |= {"config[savedir]": "/var/lib/dokuwiki/data", f"config[{setting}]": value}
        assert started.client.post("/start", params=where, data=fields).is_redirect
        assert title(started.client, f"my-wiki-{ID}") == f"start [{name}]"


def test_dokuwiki_pages_can_be_written_and_read(dokuwiki: Running) -> None:
    dokuwiki_sign_in(dokuwiki.client, PASSWORD)
    editor = dokuwiki.client.get("/playground/test", params={"do": "edit"})
    fields = hidden_fields(editor.text, "dw__editform")
    fields |= {"wikitext": "====== A test ======\nWritten by **a test**.", "do[save]": "1"}
    saved = dokuwiki.client.post("/playground/test", data=fields)
    target = httpx.URL(f"http://{HOST}").join(saved.headers["location"])
    assert saved.is_redirect and target.netloc.decode() == HOST
    assert "Written by <strong>a test</strong>." in dokuwiki.client.get("/playground/test").text


def test_dokuwiki_keeps_its_files_and_code_from_view(dokuwiki: Running) -> None:
    for path in ("/inc/init.php", "/bin/dwpage.php", "/vendor/autoload.php", "/VERSION"):
        assert dokuwiki.client.get(path).status_code in (403, 404), path


def test_dokuwiki_shows_its_own_manual_page_without_an_error(dokuwiki: Running) -> None:
    page = dokuwiki.client.get("/wiki/syntax")
    assert "Formatting Syntax" in page.text and "unforeseen error" not in page.text


# -- MediaWiki -------------------------------------------------------------------------------------


def api(client: httpx.Client, method: str = "GET", **fields: str) -> dict[str, dict[str, str]]:
    fields |= {"format": "json", "formatversion": "2"}
    where = {"params": fields} if method == "GET" else {"data": fields}
    answer: dict[str, dict[str, str]] = client.request(method, "/api.php", **where).json()  # type: ignore[arg-type]
    return answer


def token(client: httpx.Client, kind: str) -> str:
    answer = client.get(
        "/api.php", params={"action": "query", "meta": "tokens", "type": kind, "format": "json"}
    )
    found: str = answer.json()["query"]["tokens"][f"{kind}token"]
    return found


def mediawiki_sign_in(client: httpx.Client, password: str) -> str:
    client.cookies.clear()
    answer = api(
        client,
        "POST",
        action="clientlogin",
        username="Admin",
        password=password,
        logintoken=token(client, "login"),
        loginreturnurl=f"http://{HOST}/",
    )
    return answer["clientlogin"]["status"]


def test_mediawiki_lets_its_admin_in_with_this_instances_password(mediawiki: Running) -> None:
    assert mediawiki_sign_in(mediawiki.client, "wrong") == "FAIL"
    assert mediawiki_sign_in(mediawiki.client, PASSWORD) == "PASS"


def test_a_changed_password_ends_mediawiki_s_link() -> None:
    distribution = image_of("mediawiki")
    with running(distribution, ADMIN_PASSWORD=PASSWORD) as started:
        mediawiki_sign_in(started.client, PASSWORD)
        changed = api(
            started.client,
            "POST",
            action="changeauthenticationdata",
            changeauthrequest="MediaWiki\\Auth\\PasswordAuthenticationRequest",
            password="the-Password_they-chose",
            retype="the-Password_they-chose",
            changeauthtoken=token(started.client, "csrf"),
        )
        assert changed["changeauthenticationdata"]["status"] == "success"
        started.client.cookies.clear()
        answer = started.client.get(one_time_path(distribution))
        assert leads_to_the_login_page(distribution, answer)
        assert not is_admin("mediawiki", started.client)


def test_mediawiki_pages_can_be_written_and_read(mediawiki: Running) -> None:
    mediawiki_sign_in(mediawiki.client, PASSWORD)
    edit = api(
        mediawiki.client,
        "POST",
        action="edit",
        title="A test",
        text="Written by '''a test'''.",
        token=token(mediawiki.client, "csrf"),
    )
    assert edit["edit"]["result"] == "Success"
    assert "Written by <b>a test</b>." in mediawiki.client.get("/wiki/A_test").text


def test_mediawiki_pages_that_show_its_name_show_the_address_s(
    mediawiki: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<title>MediaWiki</title>" in mediawiki.client.get("/").text  # as its check asks for it
    monkeypatch.setitem(mediawiki.client.headers, "Host", f"one-{ID}.sandbox.localhost:8080")
    assert "<title>One</title>" in mediawiki.client.get("/").text
    mediawiki_sign_in(mediawiki.client, PASSWORD)
    fields = {"title": "Named", "text": "This is {{SITENAME}}."}
    api(mediawiki.client, "POST", action="edit", **fields, token=token(mediawiki.client, "csrf"))
    assert "This is One." in mediawiki.client.get("/wiki/Named").text


def test_mediawiki_takes_pictures(mediawiki: Running) -> None:
    mediawiki_sign_in(mediawiki.client, PASSWORD)
    logo = mediawiki.client.get("/resources/assets/mediawiki.png").content
    answer = mediawiki.client.post(
        "/api.php",
        data={
            "action": "upload",
            "filename": "Flower.png",
            "ignorewarnings": "1",
            "format": "json",
            "token": token(mediawiki.client, "csrf"),
        },
        files={"file": ("flower.png", logo, "image/png")},
    ).json()
    assert answer["upload"]["result"] == "Success"
    url = httpx.URL(answer["upload"]["imageinfo"]["url"])
    assert url.netloc.decode() == HOST
    assert mediawiki.client.get(url.path).content == logo


def test_mediawiki_keeps_its_files_and_code_from_view(mediawiki: Running) -> None:
    for path in ("/LocalSettings.php", "/maintenance/run.php", "/mw-config/", "/data/wiki.sqlite"):
        assert mediawiki.client.get(path).status_code in (403, 404), path


# -- MediaWiki's database --------------------------------------------------------------------------


def database(password: str = PASSWORD, *, seconds: float = 60) -> str:
    """A ticket for it, as the service makes one."""
    page = CATALOG.get("mediawiki").database
    assert page is not None
    return tickets.database_path(page, password, int(time.time() + seconds))


@contextmanager
def another_browser(of: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=of.client.base_url, headers={"Host": HOST}, trust_env=False) as one:
        yield one


def test_a_ticket_opens_the_database_once_and_a_cookie_keeps_it_open(mediawiki: Running) -> None:
    ticket = database()
    with another_browser(mediawiki) as owner, another_browser(mediawiki) as thief:
        opened = owner.get(ticket)
        assert (opened.status_code, opened.headers["location"]) == (303, "/database/")
        attributes = {each.strip() for each in opened.headers["set-cookie"].split(";")[1:]}
        assert {"HttpOnly", "SameSite=Lax", "path=/database/"} <= attributes
        assert thief.get(ticket).status_code == 404
        assert thief.get("/database/").status_code == 404
        tables = owner.get("/database/", follow_redirects=True)
        assert tables.status_code == 200
        assert {">page<", ">revision<", ">user<"} <= set(re.findall(r">\w+<", tables.text))
        rows = owner.get(str(tables.url.copy_add_param("select", "user")))
        assert ">Admin<" in rows.text
        assert "adminer.org" not in tables.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/database/",
        "/database/index.php",
        "/database/?sqlite=&username=&db=/var/lib/mediawiki/data/wiki.sqlite",
        "/database/?file=default.css",
        "/database/?ticket=",
        "/database/?ticket[]=1",
        f"/database/?ticket=9999999999-{'0' * 64}",
    ],
)
def test_a_stranger_finds_no_database(mediawiki: Running, path: str) -> None:
    with another_browser(mediawiki) as stranger:
        stranger.cookies.set("database", "a" * 32)
        answer = stranger.get(path)
    assert answer.status_code == 404 and "Adminer" not in answer.text
    assert "set-cookie" not in answer.headers or "owner" not in answer.text


def test_no_other_ticket_opens_it(mediawiki: Running) -> None:
    longer = f"/database/?ticket={int(time.time()) + 900}-{database().rpartition('-')[2]}"
    for ticket in (database("another instance’s"), database(seconds=-5), database() + "0", longer):
        with another_browser(mediawiki) as stranger:
            assert stranger.get(ticket).status_code == 404


def test_a_look_with_head_uses_no_ticket_up_and_of_five_at_once_one_gets_in(
    mediawiki: Running,
) -> None:
    ticket = database(seconds=61)

    def bring(_: int) -> int:
        with another_browser(mediawiki) as one:
            return one.get(ticket).status_code

    with another_browser(mediawiki) as preview:
        assert preview.head(ticket).status_code == 404
    with ThreadPoolExecutor(5) as five:
        assert sorted(five.map(bring, range(5))) == [303, 404, 404, 404, 404]


def test_without_a_password_no_ticket_opens_it() -> None:
    with running(image_of("mediawiki")) as started:
        for password in ("", PASSWORD):
            assert started.client.get(database(password)).status_code == 404


def test_its_log_has_no_ticket(mediawiki: Running) -> None:
    ticket = database(seconds=62)
    mediawiki.client.get(ticket)
    log = docker("logs", mediawiki.container)
    assert "/database/" in log and ticket.partition("=")[2] not in log


def test_each_mediawiki_has_a_key_of_its_own(mediawiki: Running) -> None:
    def key(container: str) -> str:
        return docker("exec", container, "cat", "/var/lib/mediawiki/data/secret")

    with running(image_of("mediawiki")) as other:
        assert re.fullmatch("[0-9a-f]{64}", key(mediawiki.container))
        assert key(other.container) != key(mediawiki.container)


# -- hello: the faults that other tests need -------------------------------------------------------


def state_after(container: str, request: httpx.Client, path: str) -> str:
    assert request.get(path).status_code == 200
    docker("wait", container)
    return docker("inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", container)


def test_hello_leaves_and_overeats_on_request() -> None:
    with running(image_of("hello")) as started:
        assert started.client.get("/status/503").status_code == 503
        assert state_after(started.container, started.client, "/exit/7") == "7 false"
    with running(image_of("hello")) as started:
        assert state_after(started.container, started.client, "/oom") == "137 true"


def test_hello_stops_at_once_when_asked() -> None:
    with running(image_of("hello")) as started:
        begun = time.monotonic()
        docker("stop", started.container)
        assert time.monotonic() - begun < 2
