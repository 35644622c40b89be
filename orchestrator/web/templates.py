"""From a template and its context to a page, with the headers that every page carries.

A page on an instance's own host has the same looks, but neither scripts nor forms, and takes its
styles from the site.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response

from ..domain import at_home
from ..domain.models import Stage
from ..service.captcha import CaptchaVerifier
from ..settings import Settings
from . import compression, words
from .assets import Assets
from .cards import searched
from .hosts import LOCAL
from .prepared import Prepared, Shelf, Slots, Values
from .services import services
from .texts import Texts, language_of, load_texts
from .tiles import Tiles

# The browser also checks where a form's answer redirects to: the launch form's to the new site, and
# none of an instance's host anywhere.
POLICY_OF_THE_SITE = (
    "default-src 'none'; style-src 'self'{captcha}; script-src 'self'{captcha}; "
    "worker-src 'self'; img-src 'self'; connect-src 'self'{captcha}; {frames}"
    "form-action 'self' {instances}; base-uri 'none'; frame-ancestors 'none'"
)
POLICY_ELSEWHERE = (
    "default-src 'none'; style-src {site}; img-src {site}; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

Context = dict[str, Any]


class Pages:
    def __init__(self, settings: Settings, captcha: CaptchaVerifier) -> None:
        self._captcha = captcha
        sources = " ".join(captcha.widget.sources) if captcha.widget else ""
        self._policy_of_the_site = POLICY_OF_THE_SITE.format(
            captcha=f" {sources}" if sources else "",
            frames=f"frame-src {sources}; " if sources else "",
            instances=sites_of(settings),
        )
        self._abuse = abuse_address(settings.abuse_contact)
        self.assets = Assets(settings.frontend_dir / "static")
        self._site = settings.site_origin
        self._site_hosts = LOCAL | {settings.site_domain}
        self.texts = load_texts(settings.frontend_dir / "texts")
        self.shelf = Shelf()
        folder = settings.frontend_dir / "templates"
        self._environments = {
            language: _environment(FileSystemLoader(folder), texts)
            for language, texts in self.texts.items()
        }

    def texts_for(self, connection: HTTPConnection) -> Texts:
        """In the visitor's language."""
        return self.texts[language_of(connection, self.texts)]

    def render(self, request: Request, template: str, context: Mapping[str, Any]) -> str:
        site = "" if self._at_home(request) else self._site
        caller = getattr(request.state, "caller", None)
        texts = self.texts_for(request)
        frame = {
            "site_url": site,
            "static": lambda path: site + self.assets.url(path),
            "here": _here(request) if not site else None,
            "languages": self.texts.values(),
            "abuse": self._abuse,
            "captcha": self._captcha,
            "patience": self._captcha.patience,
            "form_token": services(request).gate.form_token(caller) if caller else "",
        }
        environment = self._environments[texts.language]
        return environment.get_template(template).render(frame | dict(context))

    def policy(self, request: Request) -> str:
        if self._at_home(request):
            return self._policy_of_the_site
        return POLICY_ELSEWHERE.format(site=self._site)

    def _at_home(self, request: Request) -> bool:
        return request.url.hostname in self._site_hosts


def _environment(loader: FileSystemLoader, texts: Texts) -> Environment:
    """All that templates have beside their context, in one language."""
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": partial(words.duration, texts),
        "seconds": partial(words.seconds, texts),
        "about": partial(words.about, texts),
        "moment": partial(words.moment, texts),
        "brief": words.brief,
        "clock": words.clock,
        "code": words.code,
        "day": partial(words.day, texts),
        "short": partial(words.short, texts),
        "size": partial(words.size, texts),
        "cores": partial(words.cores, texts),
    }
    environment.globals |= {
        "t": texts,
        "ending_of": partial(words.ending, texts),
        "wait_of": partial(words.wait, texts),
        "searched": searched,
        "tile": Tiles(environment),
        "Stage": Stage,
        "at_home": at_home,
    }
    return environment


def _here(request: Request) -> str:
    """Where a change of the language leads back to: what a GET would show again."""
    if request.method not in ("GET", "HEAD"):
        return "/"
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query


def sites_of(settings: Settings) -> str:
    """All instances' addresses, as a content security policy names them."""
    scheme, _, host = str(settings.instances_url).rstrip("/").partition("://")
    return f"{scheme}://*.{host}"


def abuse_address(contact: str) -> str:
    """Of a link; "" where nobody is named."""
    return f"mailto:{contact}" if "@" in contact and "/" not in contact else contact


def pages_of(connection: HTTPConnection) -> Pages:
    """One for each app, made for its first page."""
    state = connection.app.state
    if not hasattr(state, "pages"):
        svc = services(connection)
        state.pages = Pages(svc.settings, svc.captcha)
        svc.ledger.listen(state.pages.shelf.forget)
    found: Pages = state.pages
    return found


def texts_of(connection: HTTPConnection) -> Texts:
    """In the visitor's language."""
    return pages_of(connection).texts_for(connection)


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    pages, now = pages_of(request), services(request).ledger.now()
    html = pages.render(request, template, {"now": now, "sent_at": now.isoformat()} | dict(context))
    return HTMLResponse(html, status, _headers(pages, request) | dict(headers or {}))


def part_of_page(request: Request, template: str, context: Mapping[str, Any]) -> Markup:
    now = services(request).ledger.now()
    html = pages_of(request).render(request, template, {"now": now} | dict(context))
    return Markup(html)  # noqa: S704  # a template's output


def prepared_page(
    request: Request, template: str, shows: object, context: Callable[[], Context], own: Values
) -> Response:
    """One that says the same to everybody, but for `own`: that alone is rendered each time. `shows`
    is what makes its `context` another, apart from instances' changes. Nothing of the request may
    come into it but the language."""
    pages, svc, language = pages_of(request), services(request), texts_of(request).language
    now = svc.ledger.now()
    own = own | {
        "sent_at": now.isoformat,
        "patience": svc.captcha.patience,
        "form_token": lambda: svc.gate.form_token(request.state.caller),
    }

    def make() -> Prepared:
        slots = Slots(*own)
        waiting = slots.marks | {"patience": lambda: slots.marks["patience"]}
        return Prepared(slots.split(pages.render(request, template, context() | waiting)))

    parts = pages.shelf.get(f"{template} {language}", shows, now, make).filled(own)
    headers = _headers(pages, request) | compression.VARIES
    if not compression.accepts_gzip(request):
        return HTMLResponse(b"".join(part.plain for part in parts), headers=headers)
    headers["Content-Encoding"] = "gzip"
    return HTMLResponse(compression.joined(parts), headers=headers)


def _headers(pages: Pages, request: Request) -> dict[str, str]:
    return {"Cache-Control": "no-store", "Content-Security-Policy": pages.policy(request)}
