"""From a template and its context to a page, with the headers that every page carries.

A page on an instance's own host has the same looks, but neither scripts nor forms, and takes its
styles from the site.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response

from ..domain.models import Stage
from ..service.captcha import CaptchaVerifier
from ..settings import Settings
from . import words
from .assets import Assets
from .cards import searched
from .hosts import LOCAL
from .services import services
from .texts import DEFAULT, Texts, language_of, load_texts
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
        self._site = str(settings.site_url).rstrip("/")
        self._site_hosts = LOCAL | {settings.site_domain}
        self.texts = load_texts(settings.frontend_dir / "texts")
        folder = settings.frontend_dir / "templates"
        self._environments = {
            language: _environment(FileSystemLoader(folder), texts)
            for language, texts in self.texts.items()
        }

    def texts_for(self, connection: HTTPConnection) -> Texts:
        """In the visitor's language; the admin's pages speak English only."""
        known = {DEFAULT: self.texts[DEFAULT]} if is_admins(connection) else self.texts
        return known[language_of(connection, known)]

    def render(self, request: Request, template: str, context: Mapping[str, Any]) -> str:
        site = "" if self._at_home(request) else self._site
        caller = getattr(request.state, "caller", None)
        texts = self.texts_for(request)
        frame = {
            "site_url": site,
            "static": lambda path: site + self.assets.url(path),
            "here": _here(request) if not site and not is_admins(request) else None,
            "languages": self.texts.values(),
            "abuse": self._abuse,
            "captcha": self._captcha,
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
    }
    environment.globals |= {
        "t": texts,
        "ending_of": partial(words.ending, texts),
        "wait_of": partial(words.wait, texts),
        "searched": searched,
        "tile": Tiles(environment),
        "Stage": Stage,
    }
    return environment


def is_admins(connection: HTTPConnection) -> bool:
    return connection.url.path.startswith("/admin")


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
    pages = pages_of(request)
    now = services(request).ledger.now()
    own_headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": pages.policy(request),
    }
    return HTMLResponse(
        pages.render(request, template, {"now": now} | dict(context)),
        status_code=status,
        headers=own_headers | dict(headers or {}),
    )
