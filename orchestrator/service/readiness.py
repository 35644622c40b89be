"""Ready means: the site answered through the proxy, as it will answer its visitor.

The instance's real URL is asked for at short, then growing intervals, each with a deadline of its
own, until the answer is right or the distribution's deadline has passed. An answer counts only
with the instance's own marker header: another's page, or a page of ours, is no answer. Where the
proxy lacks the route for `ROUTE_PATIENCE` seconds, that is told, and again after as many.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from ..domain.distribution import Readiness
from ..domain.models import Stage
from ..domain.naming import MARKER_HEADER, NOT_LIVE_HEADER

SHORTEST_PAUSE = 0.02  # seconds; each question takes CPU time from the boot
LONGEST_PAUSE = 0.5  # seconds
PAUSE_SHARE = 0.06  # of the time waited so far: readiness is seen at most that much too late
ATTEMPT_DEADLINE = 5.0  # seconds for one answer
ROUTE_PATIENCE = 3.0  # seconds; a route takes 0.1 s to appear, and half a second among hundreds
BODY_LIMIT = 1024 * 1024  # bytes in which the text must appear


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back through the proxy; `status` is None where nothing did."""

    status: int | None
    marker: str | None = None
    not_live: bool = False  # the answer is our own "not live" page
    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    stage: Stage  # booting, checking or ready
    explanation: str
    routed: bool = True  # False where the proxy answers, but not by the instance's own router


class Probe(Protocol):
    async def ask(self, host: str, path: str) -> Answer:
        """Requests the path from the host, through the proxy. Raises nothing."""

    async def close(self) -> None: ...


class NotReadyInTime(Exception):
    """The last explanation, as a sentence for people."""


def judge(answer: Answer, wanted: Readiness, instance_id: str) -> Verdict:
    if answer.status is None:
        return Verdict(Stage.BOOTING, f"No answer through the proxy: {answer.error}.")
    if answer.marker != instance_id:
        return Verdict(Stage.BOOTING, "The proxy has no route to the site yet.", routed=False)
    if answer.not_live:
        return Verdict(Stage.BOOTING, "The site does not accept connections yet.")
    if answer.status not in wanted.status:
        expected = " or ".join(map(str, wanted.status))
        return Verdict(
            Stage.CHECKING,
            f"{wanted.path} answered with status {answer.status} instead of {expected}.",
        )
    if wanted.text is not None and wanted.text not in answer.text:
        return Verdict(Stage.CHECKING, f"{wanted.path} answered without the text “{wanted.text}”.")
    return Verdict(Stage.READY, "The site answers.")


async def until_ready(
    probe: Probe,
    *,
    instance_id: str,
    host: str,
    wanted: Readiness,
    checking: Callable[[], Awaitable[object]],
    unrouted: Callable[[], object],
) -> None:
    """Returns when the site is ready; awaits `checking` once, when it first answers wrongly, and
    calls `unrouted` where the proxy lacks the route for long.

    Raises NotReadyInTime.
    """
    verdict = Verdict(Stage.BOOTING, "The site was not asked.")
    answered = False
    routed_at = time.monotonic()

    async def attempt() -> Verdict:
        nonlocal verdict, answered, routed_at
        verdict = judge(await _asked(probe, host, wanted.path), wanted, instance_id)
        if verdict.routed:
            routed_at = time.monotonic()
        elif time.monotonic() - routed_at >= ROUTE_PATIENCE:
            routed_at = time.monotonic()
            unrouted()
        if verdict.stage is Stage.CHECKING and not answered:
            answered = True
            await checking()
        return verdict

    try:
        async with asyncio.timeout(wanted.deadline.total_seconds()):
            await AsyncRetrying(
                retry=retry_if_result(lambda verdict: verdict.stage is not Stage.READY),
                wait=_pause,
            )(attempt)
    except TimeoutError:
        raise NotReadyInTime(verdict.explanation) from None


async def _asked(probe: Probe, host: str, path: str) -> Answer:
    try:
        async with asyncio.timeout(ATTEMPT_DEADLINE):
            return await probe.ask(host, path)
    except TimeoutError:
        return Answer(None, error=f"none that is complete within {ATTEMPT_DEADLINE:g} s")


def _pause(state: RetryCallState) -> float:
    waited = state.seconds_since_start or 0.0
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, waited * PAUSE_SHARE))


class ProxyProbe:
    """Asks through Traefik's public entrypoint, as a browser would, without following redirects."""

    def __init__(self, proxy_url: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=proxy_url,
            timeout=ATTEMPT_DEADLINE,
            headers={"User-Agent": "Distros-Readiness", "Accept-Encoding": "identity"},
            # Sites must not get each other's cookies, and the jar cannot tell them apart.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,  # the proxy is ours; the environment's are for the outside
        )

    async def ask(self, host: str, path: str) -> Answer:
        try:
            async with self._client.stream("GET", path, headers={"Host": host}) as response:
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > BODY_LIMIT:
                        break
        except (httpx.HTTPError, OSError) as error:
            return Answer(status=None, error=str(error) or error.__class__.__name__)
        return Answer(
            status=response.status_code,
            marker=response.headers.get(MARKER_HEADER),
            not_live=NOT_LIVE_HEADER in response.headers,
            text=_text(body, response.encoding),
        )

    async def close(self) -> None:
        await self._client.aclose()


def _text(body: bytes, encoding: str | None) -> str:
    try:
        return body.decode(encoding or "utf-8", errors="replace")
    except LookupError:  # a site may name whatever it likes
        return body.decode(errors="replace")
