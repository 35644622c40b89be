"""A site's files and database as a download, for its owner alone and while the site is ready.

Other visitors, and the admin, get the answer that they would get for a site that is not there. Once
bytes have been sent an error can only be told by breaking the connection off: browsers then say
that the download has failed, and the archive has no end.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ..domain import at_home, take_away
from ..domain.distribution import Distribution
from ..domain.errors import DistrosError, NotToTake
from ..domain.models import Instance
from .catalogue import recipe_url_of
from .mine import Own, own_site, require_own
from .services import Services, services
from .templates import texts_of
from .texts import Texts

MEDIA_TYPE = "application/gzip"

log = structlog.get_logger(__name__)


async def take_site_away(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    svc.gate.refuse_cross_site(request)
    instance = await require_own(svc, caller, request)
    if not svc.take_aways.possible(instance):
        raise NotToTake("This site cannot be downloaded.")
    distribution, now = svc.catalog.get(instance.distribution), svc.ledger.now()
    name = take_away.file_name(distribution, instance.name, now)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=MEDIA_TYPE)
    site, recipe_url = own_site(svc, caller, instance), recipe_url_of(svc, distribution)
    text = readme(texts_of(request), site, distribution, recipe_url, name, now)
    opened = AsyncExitStack()
    packed = svc.take_aways.packed(caller, instance, take_away.readme_entry(text, now))
    pieces = await opened.enter_async_context(packed)
    log.info("take-away begins", instance=instance.id)
    return _Download(pieces, opened, svc, instance, headers)


class _Download(StreamingResponse):
    """What has to end before it is whole says no last word, and so uvicorn cuts it off."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        opened: AsyncExitStack,
        svc: Services,
        instance: Instance,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(pieces, headers=headers)
        self._opened = opened
        self._svc = svc
        self._instance = instance.id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        longest = self._svc.take_aways.longest
        try:
            async with self._opened, self._svc.stopping.timeout(longest):
                await super().__call__(scope, receive, send)
        except DistrosError as error:
            log.warning("take-away broken off", instance=self._instance, error=error.message)
        except TimeoutError:
            log.warning("take-away broken off", instance=self._instance, error="It took too long.")


def readme(
    t: Texts, site: Own, distribution: Distribution, recipe_url: str, file_name: str, now: datetime
) -> str:
    """What is in the archive, and how to have the same at home."""
    instance, wanted = site.instance, distribution.take_away
    parts = [
        t.plain(
            "take_away.what",
            name=site.name,
            application=f"{distribution.name} {distribution.version}",
            address=instance.url,
            moment=f"{now:%Y-%m-%d %H:%M} UTC",
        ),
        _listed(t.plain("take_away.inside"), take_away.names(wanted) if wanted else ()),
    ]
    commands = at_home.commands(distribution, recipe_url)
    if commands:
        parts.append(_listed(t.plain("take_away.run"), commands))
        if back := at_home.restoring(distribution, file_name):
            parts.append(_listed(t.plain("take_away.put_back"), [back]))
        address = f"http://localhost:{at_home.PORT}"
        parts.append(t.plain("take_away.open", address=address))
    if instance.login:
        login = instance.login
        parts.append(t.plain("take_away.sign_in", user=login.user, password=login.password))
    return "\n\n".join(parts) + "\n"


def _listed(heading: str, lines: Iterable[str]) -> str:
    return "\n\n".join([heading, "\n".join(f"    {line}" for line in lines)])


routes: list[BaseRoute] = [Route("/instances/{id}/take-away", take_site_away)]
