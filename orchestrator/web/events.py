"""An instance's changes as server-sent events.

The first `instance` event tells how it stands, then one follows for each change; `end` closes the
stream once the instance is gone. While it queues, its position and the estimate are told every two
seconds.

A stream that closes without `end` is to be opened again: the service is being replaced, or the
token that opened it is not valid any more, as the next answer then says. When, the server says
(`retry`), for each a little differently, so that they do not all come at once.
"""

import random
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..domain.models import Caller, Instance, State
from .documents import shown_to
from .services import Services, services

HEARTBEAT = 15  # seconds between comments that keep idle connections open
QUEUE_NEWS = 2.0  # seconds between two tellings of the queue position
RECONNECT = (1000, 3000)  # milliseconds until a stream that was closed is opened again
FAREWELL = 2.0  # seconds in which a stream ends by itself when the service is to leave


async def instance_events(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.identify(request)
    instance = await svc.leases.get(caller, request.path_params["id"])
    svc.limits.require_stream(caller)
    return _Counted(svc.limits.stream(caller), _stream(svc, caller, instance))


class _Counted(EventSourceResponse):
    """Counts while it is open, however it ends: even where its first event is never sent."""

    def __init__(
        self, counted: AbstractContextManager[None], events: AsyncGenerator[ServerSentEvent, None]
    ) -> None:
        super().__init__(
            events,
            ping=HEARTBEAT,
            headers={"Cache-Control": "no-store"},
            shutdown_grace_period=FAREWELL,
        )
        self._while_open = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._while_open:
            await super().__call__(scope, receive, send)


async def _stream(
    svc: Services, caller: Caller, instance: Instance
) -> AsyncGenerator[ServerSentEvent, None]:
    with (
        svc.ledger.watch(instance.id) as watcher,
        svc.waiting.attended(instance.id),
        svc.metrics.while_open("event_streams"),
    ):
        current = await svc.ledger.find(instance.id) or instance
        retry = random.randint(*RECONNECT)
        while svc.tokens.still_valid(caller):
            document = shown_to(svc, caller, current)
            yield ServerSentEvent(document.model_dump_json(), event="instance", retry=retry)
            if current.state.ended:
                yield ServerSentEvent("{}", event="end")
                return
            try:
                news = QUEUE_NEWS if current.state is State.QUEUED else None
                async with svc.stopping.timeout(news), svc.tokens.while_valid(caller):
                    current = await watcher.next()
            except TimeoutError:
                if svc.stopping.begun:
                    return
