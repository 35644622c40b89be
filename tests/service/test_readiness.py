import asyncio
from datetime import timedelta

import pytest

from orchestrator.domain.distribution import Readiness
from orchestrator.domain.models import Stage
from orchestrator.service import readiness
from orchestrator.service.readiness import Answer, NotReadyInTime, ProxyProbe, judge, until_ready

WANTED = Readiness(path="/", status=(200, 302), text="welcome")


@pytest.mark.parametrize(
    ("answer", "stage", "explanation"),
    [
        (
            Answer(None, error="connection refused"),
            Stage.BOOTING,
            "No answer through the proxy: connection refused.",
        ),
        (Answer(404), Stage.BOOTING, "The proxy has no route to the site yet."),
        (
            Answer(200, marker="another", text="welcome"),
            Stage.BOOTING,
            "The proxy has no route to the site yet.",
        ),
        (
            Answer(503, marker="me", not_live=True),
            Stage.BOOTING,
            "The site does not accept connections yet.",
        ),
        (
            Answer(500, marker="me"),
            Stage.CHECKING,
            "/ answered with status 500 instead of 200 or 302.",
        ),
        (
            Answer(200, marker="me", text="installing"),
            Stage.CHECKING,
            "/ answered without the text “welcome”.",
        ),
        (Answer(302, marker="me", text="welcome"), Stage.READY, "The site answers."),
    ],
)
def test_an_answer_is_judged(answer: Answer, stage: Stage, explanation: str) -> None:
    verdict = judge(answer, WANTED, "me")
    assert (verdict.stage, verdict.explanation) == (stage, explanation)


class Script:
    """A probe that answers one after the other, then for ever the last; None hangs."""

    def __init__(self, *answers: Answer | None) -> None:
        self._answers = list(answers)
        self.times: list[float] = []

    async def ask(self, host: str, path: str) -> Answer:
        self.times.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        return answer

    async def close(self) -> None: ...


async def ask(script: Script, deadline: float = 30.0) -> list[str]:
    """What was told meanwhile."""
    told: list[str] = []

    async def checking() -> None:
        told.append("checking")

    await until_ready(
        script,
        instance_id="me",
        host="me.example",
        wanted=WANTED.model_copy(update={"deadline": timedelta(seconds=deadline)}),
        checking=checking,
        unrouted=lambda: told.append("unrouted"),
    )
    return told


@pytest.mark.anyio
async def test_it_asks_again_at_growing_intervals_until_the_answer_is_right() -> None:
    booting = Answer(404)
    script = Script(*[booting] * 40, Answer(200, marker="me", text="welcome"))
    assert await ask(script) == []
    gaps = [later - earlier for earlier, later in zip(script.times, script.times[1:], strict=False)]
    shortest = min(gaps[:10])  # a busy machine makes gaps longer, never shorter
    assert shortest < 0.03 and min(gaps[-5:]) > 1.5 * shortest


@pytest.mark.anyio
async def test_checking_is_announced_once() -> None:
    wrong = Answer(500, marker="me")
    assert await ask(Script(wrong, wrong, Answer(200, marker="me", text="welcome"))) == ["checking"]


@pytest.mark.anyio
async def test_a_route_that_does_not_appear_is_told_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "ROUTE_PATIENCE", 0.05)
    late = [Answer(404)] * 8 + [Answer(200, marker="me", text="welcome")]
    assert (await ask(Script(*late))).count("unrouted") >= 2


@pytest.mark.anyio
async def test_a_site_that_boots_for_long_has_its_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "ROUTE_PATIENCE", 0.05)
    booting = [Answer(503, marker="me", not_live=True)] * 8
    assert await ask(Script(*booting, Answer(200, marker="me", text="welcome"))) == []


@pytest.mark.anyio
async def test_it_ends_at_the_deadline_even_when_an_answer_never_comes() -> None:
    with pytest.raises(NotReadyInTime, match="answered with status 500"):
        async with asyncio.timeout(10):
            await ask(Script(Answer(500, marker="me"), None), deadline=1.0)


@pytest.mark.anyio
async def test_an_answer_that_is_never_complete_is_told_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "ATTEMPT_DEADLINE", 0.1)
    with pytest.raises(NotReadyInTime, match=r"none that is complete within 0\.1 s"):
        await ask(Script(None), deadline=0.3)
    assert await ask(Script(None, Answer(200, marker="me", text="welcome"))) == []


@pytest.mark.anyio
async def test_a_proxy_that_is_away_is_an_answer_too() -> None:
    probe = ProxyProbe("http://127.0.0.1:9")
    answer = await probe.ask("x.sandbox.localhost", "/")
    await probe.close()
    assert answer.status is None and answer.error
