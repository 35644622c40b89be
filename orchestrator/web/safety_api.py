"""The API's admin part: tokens, bans, takedown, the kill switch and the audit log; and the captcha.

To who is not an admin all of it but the captcha answers 401.
"""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ..domain.errors import InvalidRequest
from ..domain.limits import address_of
from ..domain.safeguards import Ban, BanKind
from .bodies import read_json
from .documents import answered
from .operations import Answer, Operation
from .safety_schemas import (
    AuditDocument,
    AuditList,
    BanDocument,
    BanList,
    BanRequest,
    CaptchaDocument,
    ChallengeDocument,
    NewTokenDocument,
    PauseDocument,
    PauseRequest,
    TakedownDocument,
    TakedownRequest,
    TokenDocument,
    TokenList,
    TokenRequest,
)
from .services import Services, services

ADMINS: Final = (401, 429, 503)  # problems of every call for an admin
SENT: Final = (400, 408, 413, 415, 422)  # of every call with a body
AUDIT_ENTRIES: Final = 200  # that one answer has


async def get_captcha(request: Request) -> Response:
    captcha = services(request).captcha
    challenge = captcha.challenge()
    return answered(
        CaptchaDocument(
            kind=captcha.kind,
            challenge=ChallengeDocument.of(challenge) if challenge else None,
            site_key=captcha.widget.site_key if captcha.widget else None,
        )
    )


# -- tokens ----------------------------------------------------------------------------------------


async def create_token(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.require_admin(request)
    asked = await read_json(request, TokenRequest)
    now = svc.ledger.now()
    end = now + timedelta(seconds=asked.expires_in) if asked.expires_in else None
    token, secret = await svc.tokens.create(asked.name, asked.scope, end, caller.visitor)
    request.state.target = f"{token.id} {asked.scope} {asked.name}"
    document = TokenDocument.of(token, now)
    return answered(NewTokenDocument(**document.model_dump(), token=secret), 201)


async def list_tokens(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    now = svc.ledger.now()
    return answered(TokenList(tokens=[TokenDocument.of(each, now) for each in svc.tokens.listed()]))


async def revoke_token(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    await svc.tokens.revoke(request.path_params["id"])
    return Response(status_code=204)


# -- bans and takedown -----------------------------------------------------------------------------


async def create_ban(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.require_admin(request)
    asked = await read_json(request, BanRequest)
    request.state.target = _named(asked)
    bans = await _ban(svc, asked, caller.visitor)
    return answered(BanList(bans=[BanDocument.of(each) for each in bans]), 201)


async def list_bans(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    return answered(BanList(bans=[BanDocument.of(each) for each in await svc.safety.bans()]))


async def delete_ban(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    await svc.safety.unban(request.path_params["id"])
    return Response(status_code=204)


async def take_down(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.require_admin(request)
    asked = await read_json(request, TakedownRequest)
    request.state.target = _named(asked)
    bans = await _ban(svc, asked, caller.visitor) if asked.ban else ()
    stopped = await svc.safety.take_down(
        instance=asked.instance,
        visitor=asked.visitor,
        address=_hashed(svc, asked.address) if asked.address else None,
        distribution=asked.distribution,
        reason=asked.reason,
    )
    documents = [BanDocument.of(each) for each in bans]
    return answered(TakedownDocument(stopped=stopped, bans=documents))


def _named(asked: BanRequest) -> str:
    kind = next(
        name for name in ("visitor", "address", "distribution", "instance") if getattr(asked, name)
    )
    return f"{kind} {getattr(asked, kind)}"


async def _ban(svc: Services, asked: BanRequest, by: str) -> Sequence[Ban]:
    if asked.instance:
        return await svc.safety.ban_origin(asked.instance, reason=asked.reason, by=by)
    if asked.address:
        kind, key, shown = BanKind.ADDRESS, _hashed(svc, asked.address), asked.address
    elif asked.distribution:
        kind, key = BanKind.DISTRIBUTION, svc.catalog.get(asked.distribution).slug
        shown = key
    else:
        kind, key = BanKind.VISITOR, (asked.visitor or "")[:64]
        shown = key
    return [await svc.safety.ban(kind, key, shown=shown[:100], reason=asked.reason, by=by)]


def _hashed(svc: Services, address: str) -> str:
    """Raises InvalidRequest."""
    try:
        return svc.gate.clients.hashed(address_of(ip_address(address.partition("%")[0])))
    except ValueError as error:
        raise InvalidRequest(
            f"“{address[:60]}” is no address.", hint="It is such as 203.0.113.7 or 2001:db8::1."
        ) from error


# -- the kill switch -------------------------------------------------------------------------------


async def get_pause(request: Request) -> Response:
    return answered(PauseDocument.of(services(request).safety.paused))


async def pause_launches(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.require_admin(request)
    asked = await read_json(request, PauseRequest)
    request.state.target = asked.reason
    return answered(PauseDocument.of(await svc.safety.pause(asked.reason, caller.visitor)))


async def resume_launches(request: Request) -> Response:
    svc = services(request)
    caller = svc.gate.require_admin(request)
    await svc.safety.resume(caller.visitor)
    return Response(status_code=204)


async def list_audit(request: Request) -> Response:
    svc = services(request)
    svc.gate.require_admin(request)
    entries = await svc.safety.audit(AUDIT_ENTRIES)
    return answered(AuditList(entries=[AuditDocument.of(each) for each in entries]))


OPERATIONS = (
    Operation(
        "GET",
        "/captcha",
        get_captcha,
        "What a launch without a token must prove",
        {200: Answer("A new challenge, or who makes one.", CaptchaDocument)},
        public=True,
    ),
    Operation(
        "POST",
        "/tokens",
        create_token,
        "Make a token; for an admin, like all that follows",
        {201: Answer("The token, shown this once.", NewTokenDocument)},
        (*SENT, *ADMINS),
        body=TokenRequest,
    ),
    Operation(
        "GET",
        "/tokens",
        list_tokens,
        "All tokens, those that are not valid any more included",
        {200: Answer("Oldest first.", TokenList)},
        ADMINS,
    ),
    Operation(
        "DELETE",
        "/tokens/{id}",
        revoke_token,
        "Revoke a token",
        {204: Answer("It is not valid any more.")},
        (*ADMINS, 404),
    ),
    Operation(
        "POST",
        "/bans",
        create_ban,
        "Ban a visitor, an address, a distribution, or whoever launched an instance",
        {201: Answer("The ban, or the earlier one of the same.", BanList)},
        (*SENT, *ADMINS, 404),
        body=BanRequest,
    ),
    Operation(
        "GET", "/bans", list_bans, "All bans", {200: Answer("Oldest first.", BanList)}, ADMINS
    ),
    Operation(
        "DELETE",
        "/bans/{id}",
        delete_ban,
        "Lift a ban",
        {204: Answer("It is lifted.")},
        (*ADMINS, 404),
    ),
    Operation(
        "POST",
        "/takedowns",
        take_down,
        "Stop an instance, or all of a visitor, an address or a distribution",
        {200: Answer("What was stopped.", TakedownDocument)},
        (*SENT, *ADMINS, 404),
        body=TakedownRequest,
    ),
    Operation(
        "GET",
        "/pause",
        get_pause,
        "Whether launches are paused, and why",
        {200: Answer("How it stands.", PauseDocument)},
        public=True,
    ),
    Operation(
        "PUT",
        "/pause",
        pause_launches,
        "Stop all new launches; what runs goes on",
        {200: Answer("They are paused.", PauseDocument)},
        (*SENT, *ADMINS),
        body=PauseRequest,
    ),
    Operation(
        "DELETE",
        "/pause",
        resume_launches,
        "Let launches go on",
        {204: Answer("They are not paused.")},
        ADMINS,
    ),
    Operation(
        "GET",
        "/audit",
        list_audit,
        "The latest actions of admins",
        {200: Answer("Newest first.", AuditList)},
        ADMINS,
    ),
)
