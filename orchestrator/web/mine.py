"""A visitor's own sites, as the front page and their own page list them."""

from dataclasses import dataclass

from markupsafe import Markup
from starlette.requests import HTTPConnection

from ..domain.distribution import Distribution
from ..domain.errors import UnknownDistribution, UnknownInstance
from ..domain.models import Caller, Instance
from .documents import shown_to
from .drawings import qr_code
from .schemas import InstanceDocument
from .services import Services
from .texts import Texts


@dataclass(frozen=True, slots=True)
class Own:
    instance: InstanceDocument
    distribution: Distribution | None  # None where it has left the catalogue

    @property
    def kind(self) -> str:
        """What the application is called."""
        return self.distribution.name if self.distribution else self.instance.distribution

    @property
    def name(self) -> str:
        return self.instance.name or self.kind


@dataclass(frozen=True, slots=True)
class Links:
    """What an owner may give away of a site."""

    share: str
    qr: Markup


async def require_own(svc: Services, caller: Caller, connection: HTTPConnection) -> Instance:
    """Of the path's id. Who may see it and has not launched it does not get it either.

    Raises UnknownInstance.
    """
    instance_id = connection.path_params["id"]
    found = await svc.leases.get(caller, instance_id)
    if found.owner != caller.visitor:
        raise UnknownInstance(instance_id)
    return found


def own_site(svc: Services, caller: Caller, instance: Instance) -> Own:
    """As the caller may see it."""
    try:
        distribution = svc.catalog.get(instance.distribution)
    except UnknownDistribution:
        distribution = None
    return Own(shown_to(svc, caller, instance), distribution)


def own_sites(svc: Services, caller: Caller) -> list[Own]:
    """The visitor's live ones, newest first; who sees everybody's has none of their own here."""
    if caller.sees_all:
        return []
    live = sorted(svc.leases.live(caller), key=lambda each: each.created_at, reverse=True)
    return [own_site(svc, caller, each) for each in live]


def links_of(svc: Services, t: Texts, instance: InstanceDocument) -> Links:
    title = t.plain("site.qr", address=instance.url)
    share = f"{svc.settings.site_origin}/s/{svc.sharing.token(instance.id)}"
    return Links(share, qr_code(instance.url, title))
