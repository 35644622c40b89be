"""The catalogue as app templates for Portainer, in version 3 of its format.

With a template a user of Portainer has the application in a container of their own, for as long as
they like, also after a restart of their machine. It is a plain one: the format knows neither limits
nor folders in memory. What is done in it is kept in the container, and goes with it.

The file is for everybody who can reach the site. Of a distribution's environment it has the values
only where visitors are shown them anyway (`at_home`); of any other the names, for the user to fill.

Format: docs.portainer.io, "App templates"; what a note says is HTML there.
"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final, TypedDict

from .distribution import Distribution

VERSION: Final = "3"
CONTAINER: Final = 1


class Variable(TypedDict, total=False):
    name: str
    label: str
    description: str
    default: str
    preset: bool


class Template(TypedDict, total=False):
    id: int  # from 1, in the order of the file
    type: int
    title: str
    description: str
    image: str
    name: str
    categories: list[str]
    platform: str
    logo: str
    note: str
    env: list[Variable]
    ports: list[str]
    restart_policy: str


class Templates(TypedDict):
    version: str
    templates: list[Template]


def templates(offered: Iterable[tuple[Distribution, str | None]], site_url: str) -> Templates:
    """Each distribution with the address of its picture, where it has one."""
    numbered = enumerate(offered, start=1)
    return {
        "version": VERSION,
        "templates": [_template(number, *each, site_url) for number, each in numbered],
    }


def _template(number: int, distribution: Distribution, logo: str | None, site: str) -> Template:
    template: Template = {
        "id": number,
        "type": CONTAINER,
        "title": f"{distribution.name} {distribution.version}",
        "description": distribution.summary,
        "image": distribution.image.ref,
        "name": distribution.slug,
        "categories": [distribution.category],
        "platform": "linux",
        "note": _note(distribution, site),
        "env": list(_variables(distribution)),
        "ports": [f"{distribution.port}/tcp"],  # Docker chooses the one outside
        "restart_policy": "unless-stopped",
    }
    if logo is not None:
        template["logo"] = site + logo
    return template


def _variables(distribution: Distribution) -> Iterator[Variable]:
    """Portainer lets nobody deploy with an empty one: a value that is empty is left out."""
    login = distribution.login
    own = login.password_env if login else None
    if login and own:
        described = f"Choose one; you sign in as {login.user} with it."
        yield {"name": own, "label": "Password", "description": described}
    for name, value in distribution.environment.items():
        if name == own:
            continue
        if not distribution.at_home:
            described = "Whoever runs this site knows what it should be."
            yield {"name": name, "label": name, "description": described}
        elif value:
            yield {"name": name, "label": name, "default": value, "preset": True}


def _note(distribution: Distribution, site: str) -> str:
    """Sentences; what comes from a distribution's file is escaped."""
    page = f"{site}/d/{distribution.slug}"
    said = [f'<a href="{escape(page)}">What is inside</a>, and a copy to try first.']
    if login := distribution.login:
        said.append(f"Sign in as <b>{escape(login.user)}</b> at <code>{escape(login.path)}</code>.")
    if distribution.image.build:
        built = "The image is built on the server of that site; on any other machine, build it or "
        said.append(f"{built}push it to a registry first.")
    said.append("What you do in it is kept in its container, and goes with it.")
    return "<p>" + " ".join(said) + "</p>"
