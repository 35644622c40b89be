"""What the admin page does. The audit log has each by the name of its function.

A target is an instance, a visitor, an address or a distribution: `kind` and `key` of the form name
it, as the API's takedown does.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from ..domain.errors import InvalidRequest
from .admin_frame import CALLER, HOME, SAFEGUARDS, Done, Form, acting, target_url
from .bodies import understood
from .record import PAGE
from .safety_schemas import KINDS, BanRequest, PauseRequest, TakedownRequest
from .services import Services
from .takedown import ban, named
from .takedown import take_down_and_ban as stop_and_ban


@acting
async def renew_instance(request: Request, svc: Services, form: Form) -> Done:
    instance_id = request.state.target = form.get("key", "")
    renewed = await svc.leases.renew(CALLER, instance_id)
    return Done(
        f"{instance_id} is renewed until {renewed.expires_at:%H:%M} UTC.",
        target_url("instance", instance_id),
    )


@acting
async def take_down(request: Request, svc: Services, form: Form) -> Done:
    asked = understood(_target(request, form), TakedownRequest)
    stopped, _ = await stop_and_ban(svc, asked, PAGE)
    return Done(f"{_sites(len(stopped))} stopped.", _there(form))


@acting
async def take_down_and_ban(request: Request, svc: Services, form: Form) -> Done:
    asked = understood(_target(request, form) | {"ban": True}, TakedownRequest)
    stopped, bans = await stop_and_ban(svc, asked, PAGE)
    banned = " and ".join(each.kind for each in bans)
    return Done(f"{_sites(len(stopped))} stopped. Banned: {banned}.", _there(form))


@acting
async def create_ban(request: Request, svc: Services, form: Form) -> Done:
    bans = await ban(svc, understood(_target(request, form), BanRequest), PAGE)
    banned = " and ".join(each.kind for each in bans)
    return Done(f"Banned: {banned}. What runs goes on until its time is up.", _there(form))


@acting
async def delete_ban(request: Request, svc: Services, form: Form) -> Done:
    request.state.target = form.get("id", "")
    await svc.safety.unban(request.state.target)
    return Done("The ban is lifted.", SAFEGUARDS)


@acting
async def revoke_token(request: Request, svc: Services, form: Form) -> Done:
    token_id = request.state.target = form.get("id", "")
    await svc.tokens.revoke(token_id)
    return Done(f"The token “{svc.tokens.name_of(token_id)}” is revoked.", SAFEGUARDS)


@acting
async def pause_launches(request: Request, svc: Services, form: Form) -> Done:
    asked = understood({"reason": form.get("reason", "").strip()}, PauseRequest)
    request.state.target = asked.reason
    await svc.safety.pause(asked.reason, PAGE)
    return Done("Nothing new is launched from now on. What runs goes on.", SAFEGUARDS)


@acting
async def resume_launches(_request: Request, svc: Services, _form: Form) -> Done:
    await svc.safety.resume(PAGE)
    return Done("Launches go on.", SAFEGUARDS)


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


def _sites(count: int) -> str:
    return "1 site was" if count == 1 else f"{count} sites were"


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
