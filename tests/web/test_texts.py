"""Languages: complete, well-formed, and chosen as the visitor wants."""

import re
import tomllib
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import httpx
import pytest
from markupsafe import Markup

from orchestrator.catalog import Catalog
from orchestrator.domain.capacity import Limit, Places
from orchestrator.domain.errors import DistrosError, InvalidRequest, UnknownBan
from orchestrator.domain.limits_exceeded import (
    SignInBusy,
    TooManyInstances,
    TooManyLaunches,
    TooManyPatient,
)
from orchestrator.domain.models import Reason, Stage, State
from orchestrator.domain.outages import StoreUnavailable
from orchestrator.domain.safeguards import BanKind
from orchestrator.engine.base import ImageProgress
from orchestrator.service.readiness import Answer
from orchestrator.service.synthetic_record import Outcome, Step
from orchestrator.settings import ROOT
from orchestrator.web import admin as admin_page
from orchestrator.web import words
from orchestrator.web.admin_rows import COLUMNS
from orchestrator.web.schemas import EstimateDocument
from orchestrator.web.sites import local_path
from orchestrator.web.texts import COOKIE, Texts
from tests.support import (
    ADMIN_TOKEN,
    ENGLISH,
    GERMAN,
    MISSING,
    TEXTS,
    WIKI,
    World,
    page_of,
    running,
)

pytestmark = pytest.mark.anyio

SOURCES = [
    *(ROOT / "frontend" / "templates").iterdir(),
    *(ROOT / "orchestrator" / "web").glob("*.py"),
]
OF_ADMIN = tuple(
    f"admin.{each}."
    for each in (
        *("ban", "column", "limit", "outcome", "part"),
        *("places", "problem", "reason", "state", "step", "target"),
    )
)
KEY = re.compile(r"""\bt(?:\.raw|\.plain|\.count)?\(\s*f?"([a-z_.{}: ]+)"(?: ~|[,)])""")


def keys(table: dict[str, Any]) -> dict[str, Any]:
    """A file's tables and keys, without the texts."""
    return {key: keys(one) if isinstance(one, dict) else "" for key, one in table.items()}


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", TEXTS)
def test_every_language_has_every_text_with_the_same_names_to_fill(language: str) -> None:
    folder = ROOT / "frontend" / "texts"
    english_file, own_file = (
        tomllib.loads((folder / f"{each}.toml").read_text()) for each in ("en", language)
    )
    assert keys(own_file) == keys(english_file)
    read = TEXTS[language]
    for key, english in ENGLISH.entries.items():
        if not key.endswith(".one"):  # a form for one may do without the number
            assert names(read.entries[key]) == names(english), key
    if language != "en":
        own = [key for key in ENGLISH.entries if read.entries[key] != ENGLISH.entries[key]]
        assert len(own) > 0.9 * len(ENGLISH.entries)  # no English left over


def test_every_text_that_is_asked_for_exists() -> None:
    asked = {key for path in SOURCES for key in KEY.findall(path.read_text())}
    known = set(ENGLISH.entries)
    known |= {key.rpartition(".")[0] for key in known}  # counted
    literal = {key for key in asked if "{" not in key and not key.endswith(".")}
    assert len(literal) > 100
    assert literal - known == set()


def test_every_text_is_asked_for() -> None:
    sources = "\n".join(path.read_text() for path in SOURCES)
    computed = (
        *("ending.", "stage.", "category.", "problem.", "time.", "language.", "terminal.ended."),
        *OF_ADMIN,
    )
    for key in ENGLISH.entries:
        base = re.sub(r"\.(one|other)$", "", key)
        if not key.startswith(computed) and not base.endswith("_hint"):
            assert f'"{base}"' in sources or f'"{key}"' in sources, key


def test_values_are_escaped_and_markup_is_not() -> None:
    texts = Texts("en", {"greeting": "Hello & {name}"})
    assert texts("greeting", name="<b>") == "Hello &amp; &lt;b&gt;"
    assert texts("greeting", name=Markup("<b>")) == "Hello &amp; <b>"
    assert texts.plain("greeting", name="<b>") == "Hello & <b>"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr, en;q=0.5, de;q=0.7", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("de;q=0, fr", "en"),
        ("de;q=nonsense", "en"),
        ("*", "en"),
        (",;," * 500, "en"),
    ],
)
async def test_a_page_comes_in_the_language_that_the_browser_likes_best(
    world: World, accepted: str, language: str
) -> None:
    async with world.client(**{"Accept-Language": accepted}) as anna:
        html = (await anna.get("/")).text
    assert f'<html lang="{language}"' in html
    assert TEXTS[language].plain("landing.heading") in html


async def choose(client: httpx.AsyncClient, language: str, back: str = "/") -> httpx.Response:
    return await client.post("/language", data={"language": language, "back": back})


async def test_a_choice_is_remembered_and_leads_back(world: World) -> None:
    async with world.client(**{"Accept-Language": "en"}) as anna:
        response = await choose(anna, "de", "/d/wiki?name=x")
        assert (response.status_code, response.headers["location"]) == (303, "/d/wiki?name=x")
        assert GERMAN.plain("landing.heading") in (await anna.get("/")).text
        await choose(anna, "en")
        assert ENGLISH.plain("landing.heading") in (await anna.get("/")).text


async def test_a_language_that_nobody_has_is_not_remembered(world: World) -> None:
    async with world.client() as anna:
        assert (await choose(anna, "../../etc")).status_code == 303
        assert COOKIE not in anna.cookies


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_choice_leads_back_to_our_own_pages_only(wanted: str) -> None:
    assert local_path(wanted) == "/"


async def test_errors_and_refusals_are_told_in_the_visitors_language(world: World) -> None:
    async with world.client(**{"Accept-Language": "de"}) as anna:
        assert "Unter /nirgends gibt es nichts." in (await anna.get("/nirgends")).text
        refused = await anna.submit("/launch", data={"distribution": "wiki", "name": "☃"})
        assert "Aus „☃“ kann keine Subdomain werden." in refused.text
        missing = await anna.get("/instances/abcdefghijkm")
        assert "Eine solche Site gibt es hier nicht." in missing.text


async def test_programs_get_their_errors_in_english_whatever_they_accept(world: World) -> None:
    async with world.client(**{"Accept-Language": "de"}) as program:
        problem = (await program.get("/api/v1/instances/abcdefghijkm")).json()
    assert problem["detail"] == "There is no instance “abcdefghijkm”."


async def test_limits_and_the_kill_switch_speak_the_visitors_language(tmp_path: Path) -> None:
    form = {"distribution": "wiki"}
    async with (
        running(tmp_path, launches_per_visitor=1) as world,
        world.client(**{"Accept-Language": "de"}) as anna,
    ):
        await anna.submit("/launch", data=form)
        refused = await anna.submit("/launch", data=form)
        await world.services.safety.pause("Umzug bis Mittag.", "admin")
        paused = await anna.submit("/launch", data=form)
    assert (refused.status_code, paused.status_code) == (429, 503)
    assert "Sie haben in der letzten Stunde 1 Site angelegt, mehr geht nicht." in refused.text
    assert "Die nächste ist möglich in 1 Stunde." in refused.text
    assert "Gerade können keine neuen Sites angelegt werden:</strong> Umzug" in paused.text


@pytest.mark.parametrize("whose", ["visitor", "address", "network", "patient"])
@pytest.mark.parametrize("most", [1, 2])
def test_in_english_visitors_read_of_limits_what_programs_do(whose: str, most: int) -> None:
    errors: list[DistrosError] = [TooManyPatient(most, 120)]
    if whose != "patient":
        errors = [TooManyLaunches(most, whose, 120)]
    if whose in ("visitor", "address"):
        errors.append(TooManyInstances(most, whose, 120))
    for error in errors:
        assert words.told(ENGLISH, error) == (error.message, error.hint)


def test_a_wait_is_never_told_shorter_than_it_is() -> None:
    _, hint = words.told(ENGLISH, TooManyLaunches(1, "visitor", 89))
    assert hint == "The next one is possible in 2 minutes."


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "einer Sekunde"), (25, "25 Sekunden")])
def test_how_long_it_takes_stands_in_the_dative(seconds: float, said: str) -> None:
    estimate = EstimateDocument(usual=seconds, at_worst=seconds)
    assert words.wait(GERMAN, estimate, queued=True) == f"Bereit in etwa {said}."


async def test_who_guesses_the_password_reads_of_it_in_their_language(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_page, "WRONG_SECRET_PAUSE", 0.0)
    async with world.client(**{"Accept-Language": "de"}) as stranger:
        for _ in range(11):
            refused = await stranger.post("/admin/sign-in", data={"secret": "wrong"})
    assert refused.status_code == 429
    assert "<h1>Von Ihrer Internetadresse kamen zu viele falsche Passwörter" in refused.text
    assert re.search(r"Warten Sie 1\d Minuten,", refused.text)
    assert words.told(GERMAN, SignInBusy())[0] == "Gerade werden viele Passwörter geprüft."


async def test_the_title_of_an_error_is_in_the_visitors_language(world: World) -> None:
    async with world.client(**{"Accept-Language": "de"}) as anna:
        html = (await anna.get("/nirgends")).text
    assert "<title>Unter /nirgends gibt es nichts · Distros</title>" in html


@pytest.mark.parametrize(
    ("line", "built", "said"),
    [
        (ImageProgress("Step 1/9"), True, "Wird gerade gebaut"),
        (ImageProgress("a: Waiting"), False, "Wird gerade geholt"),
        (ImageProgress("a: Downloading", 9, 20), False, "Wird gerade geholt: 45 %"),
        (ImageProgress("a: Extracting", 20, 20), False, "Wird gerade entpackt"),
    ],
)
async def test_what_comes_of_a_missing_image_is_told_in_the_visitors_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: ImageProgress, built: bool, said: str
) -> None:
    image = MISSING.image.model_copy(update={"build": built})
    catalog = Catalog([WIKI, MISSING.model_copy(update={"image": image})])
    async with running(tmp_path, catalog=catalog) as world:
        monkeypatch.setattr(world.services.images, "coming", {"missing": line}.get)
        async with world.client(**{"Accept-Language": "de"}) as anna:
            for path in ("/", "/d/missing"):
                assert f'<p class="absent">{said}</p>' in (await anna.get(path)).text


async def test_what_the_engine_says_is_marked_as_english(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.probe, "site", lambda each: Answer(500, marker=each))
    async with world.client(**{"Accept-Language": "de"}) as anna:
        path = page_of(await anna.submit("/launch", data={"distribution": "wiki"}))
        launch = path.rpartition("/")[2]
        await world.until(launch, lambda now: now.stage is Stage.CHECKING)
        plain = (await anna.get(path)).text
        await world.services.ledger.change(
            launch, only_in={State.STARTING}, detail="Fetching the image"
        )
        told = (await anna.get(path)).text
    assert 'class="news" lang' not in plain
    assert told.count('<span class="news" lang="en">Fetching the image</span>') == 1
    assert told.count('class="news" lang') == 1


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("unban", {"id": "nope"}, "Es gibt keine Sperre „nope“."),
        ("revoke-token", {"id": "nope"}, "Es gibt kein gültiges Token „nope“."),
        ("ban", {"kind": "visitor", "key": "v-1a2b3c4d"}, "was „v-1a2b3c4d“ gestartet hätte."),
        ("renew", {"key": "abcdefghijkm"}, "Eine solche Site gibt es hier nicht."),
        ("take-down", {}, '<span lang="en">The form names nothing to act on.</span>'),
    ],
)
async def test_what_an_admin_cannot_do_is_told_in_their_language_or_marked_as_english(
    world: World, action: str, fields: dict[str, str], said: str
) -> None:
    async with world.client(**{"Accept-Language": "de"}) as admin:
        await admin.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        page = (await admin.get("/admin/safeguards")).text
        token = re.search(r'name="form" value="(\w+)"', page)
        assert token is not None
        await admin.post(f"/admin/{action}", data={"form": token[1]} | fields)
        html = (await admin.get("/admin/safeguards")).text
    told = html.partition('class="said" role="status">')[2].partition("</p>")[0]
    assert told.startswith("Es wurde nichts getan. ") and said in told


def test_an_admin_is_told_why_the_service_cannot() -> None:
    told = words.told_to_admin(GERMAN, StoreUnavailable("The database is locked."))
    assert told.startswith('<span lang="en">The database is locked.</span> <span lang="en">')


def test_what_was_typed_is_text_to_the_admin() -> None:
    assert "<b>" not in words.told_to_admin(GERMAN, UnknownBan("<b>"))
    assert "<b>" not in words.told_to_admin(GERMAN, InvalidRequest("<b>", hint="<b>"))


async def test_the_admins_pages_speak_the_admins_language(world: World) -> None:
    async with world.client(**{"Accept-Language": "de"}) as admin:
        html = (await admin.get("/admin/")).text
        await admin.post("/admin/sign-in", data={"secret": ADMIN_TOKEN})
        overview = (await admin.get("/admin/")).text
        await choose(admin, "en", "/admin/")
        english = (await admin.get("/admin/")).text
    assert '<html lang="de"' in html and GERMAN.plain("admin.sign_in.rules") in html
    assert GERMAN.plain("admin.overview.limited") in overview
    assert 'name="back" value="/admin/"' in overview
    assert ENGLISH.plain("admin.overview.limited") in english


async def test_whatever_the_admins_pages_may_have_to_name_has_a_name(world: World) -> None:
    named = {
        "ban": [*BanKind],
        "limit": [each for each in Limit if each is not Limit.ROOM],  # a sentence of its own
        "outcome": [*get_args(Outcome)],
        "part": [each.name for each in await world.services.checkup.checks()],
        "places": [*Places.__dataclass_fields__],
        "reason": [*Reason],
        "state": [*State],
        "step": [*get_args(Step)],
        "column": [each.key for each in COLUMNS],
    }
    for table, keys in named.items():
        for key in keys:
            assert ENGLISH.has(f"admin.{table}.{key}"), (table, key)
