"""What the admin page does. The audit log has each by the name of its function.

A target is an instance, a visitor, an address or a distribution: `kind` and `key` of the form name
it, as the API's takedown does.
"""

from collections.abc import Iterable
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from ..domain.errors import InvalidRequest
from ..domain.safeguards import Ban
from .admin_frame import CALLER, HOME, SAFEGUARDS, Done, Form, acting, target_url
from .bodies import understood
from .record import PAGE
from .safety_schemas import KINDS, BanRequest, PauseRequest, TakedownRequest
from .services import Services
from .takedown import ban, named
from .takedown import take_down_and_ban as stop_and_ban
from .templates import texts_of


@acting
async def renew_instance(request: Request, svc: Services, form: Form) -> Done:
    instance_id = request.state.target = form.get("key", "")
    renewed = await svc.leases.renew(CALLER, instance_id)
    until = f"{renewed.expires_at:%H:%M}"
    said = texts_of(request).plain("admin.done.renewed", id=instance_id, until=until)
    return Done(said, target_url("instance", instance_id))


@acting
async def take_down(request: Request, svc: Services, form: Form) -> Done:
    asked = understood(_target(request, form), TakedownRequest)
    stopped, _ = await stop_and_ban(svc, asked, PAGE)
    return Done(_stopped(request, len(stopped)), _there(form))


@acting
async def take_down_and_ban(request: Request, svc: Services, form: Form) -> Done:
    asked = understood(_target(request, form) | {"ban": True}, TakedownRequest)
    stopped, bans = await stop_and_ban(svc, asked, PAGE)
    said = (_stopped(request, len(stopped)), _banned(request, "admin.done.banned", bans))
    return Done(" ".join(said), _there(form))


@acting
async def create_ban(request: Request, svc: Services, form: Form) -> Done:
    bans = await ban(svc, understood(_target(request, form), BanRequest), PAGE)
    return Done(_banned(request, "admin.done.banned_only", bans), _there(form))


@acting
async def delete_ban(request: Request, svc: Services, form: Form) -> Done:
    request.state.target = form.get("id", "")
    await svc.safety.unban(request.state.target)
    return Done(texts_of(request).plain("admin.done.unbanned"), SAFEGUARDS)


@acting
async def revoke_token(request: Request, svc: Services, form: Form) -> Done:
    token_id = request.state.target = form.get("id", "")
    await svc.tokens.revoke(token_id)
    name = svc.tokens.name_of(token_id)
    return Done(texts_of(request).plain("admin.done.revoked", name=name), SAFEGUARDS)


@acting
async def pause_launches(request: Request, svc: Services, form: Form) -> Done:
    asked = understood({"reason": form.get("reason", "").strip()}, PauseRequest)
    request.state.target = asked.reason
    await svc.safety.pause(asked.reason, PAGE)
    return Done(texts_of(request).plain("admin.done.paused"), SAFEGUARDS)


@acting
async def resume_launches(request: Request, svc: Services, _form: Form) -> Done:
    await svc.safety.resume(PAGE)
    return Done(texts_of(request).plain("admin.done.resumed"), SAFEGUARDS)


@acting
async def sign_out(_request: Request, _svc: Services, _form: Form) -> Done:
    return Done("", HOME, over=True)


def _target(request: Request, form: Form) -> dict[str, Any]:
    """As the API's documents name it. Raises InvalidRequest."""
    kind, key = form.get("kind", ""), form.get("key", "")
    if kind not in KINDS or not key:
        raise InvalidRequest("The form names nothing to act on.", hint="Go back and try again.")
    asked: dict[str, Any] = {kind: key}
    if reason := form.get("reason", "").strip():
        asked["reason"] = reason
    request.state.target = named(understood(asked, BanRequest))
    return asked


def _there(form: Form) -> str:
    return target_url(form["kind"], form["key"])


def _stopped(request: Request, count: int) -> str:
    return texts_of(request).count("admin.done.stopped", count)


def _banned(request: Request, key: str, bans: Iterable[Ban]) -> str:
    t = texts_of(request)
    one, *others = (t.plain(f"admin.ban.{each.kind}") for each in bans)
    for other in others:
        one = t.plain("admin.done.and", one=one, other=other)
    return t.plain(key, kinds=one)


ACTIONS: Final = {
    "renew": renew_instance,
    "take-down": take_down,
    "take-down-and-ban": take_down_and_ban,
    "ban": create_ban,
    "unban": delete_ban,
    "revoke-token": revoke_token,
    "pause": pause_launches,
    "resume": resume_launches,
    "sign-out": sign_out,
}
ROUTES: list[BaseRoute] = [
    Route(HOME + path, action, methods=["POST"]) for path, action in ACTIONS.items()
]
