"""What the passkeys' script asks for, in JSON: a challenge, then what the browser made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from rules.log_lines import SecurityEvent
from web import zones
from web.account.account import confirm
from web.addresses import own_path
from web.audit import Actor
from web.keys import ENGINE, USER
from web.passkeys.keys import (
    PasskeyRefusal,
    Question,
    Site,
    add_passkey,
    ask_to_add,
    ask_to_sign_in,
    credential_id_of,
    remove_passkey,
    rename_passkey,
    sign_in_with,
)
from web.security_log import report
from web.visitors import host_of, let_in, origin_of, visitor_of

EVENTS = {
    PasskeyRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    PasskeyRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
}
STATUSES = {PasskeyRefusal.WRONG: 403, PasskeyRefusal.LOCKED_OUT: 429}


async def begin_sign_in(request: web.Request) -> web.StreamResponse:
    asked = await ask_to_sign_in(
        request.app[ENGINE], site_of(request), visitor_of(request), datetime.now(UTC)
    )
    return _answer(asked)


async def finish_sign_in(request: web.Request) -> web.StreamResponse:
    body = await _json(request)
    result = await sign_in_with(
        request.app[ENGINE],
        site_of(request),
        token=_text(body, "token"),
        credential=_object(body, "credential"),
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if isinstance(result, PasskeyRefusal):
        if result in EVENTS:
            report(request, EVENTS[result])
        return _answer(result)
    response = web.json_response({"location": own_path(_text(body, "next"))})
    zone = zones.zone_named(_text(body, "time_zone"))
    if zone is not None and not zones.has_zone(request):
        zones.remember_zone(request, response, zone)
    await let_in(request, response, result.token)
    return response


async def begin_adding(request: web.Request) -> web.StreamResponse:
    """Who sits down at a computer left alone must not leave a key of their own: the password is asked for."""
    body = await _json(request)
    engine, user, now = request.app[ENGINE], request[USER], datetime.now(UTC)
    refusal = await confirm(engine, user, _text(body, "password"), visitor_of(request), now)
    if refusal is not None:
        return web.json_response({"refusal": str(refusal)}, status=403)
    return _answer(await ask_to_add(engine, user, site_of(request), now))


async def finish_adding(request: web.Request) -> web.StreamResponse:
    body = await _json(request)
    user = request[USER]
    refusal = await add_passkey(
        request.app[ENGINE],
        Actor(user=user),
        user,
        site_of(request),
        token=_text(body, "token"),
        credential=_object(body, "credential"),
        name=_text(body, "name"),
        now=datetime.now(UTC),
    )
    return web.json_response({"location": "/account?done=passkey"}) if refusal is None else _answer(refusal)


async def rename(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    user, credential_id = request[USER], credential_id_of(request.match_info["id"])
    if credential_id is None:
        raise web.HTTPNotFound
    refusal = await rename_passkey(
        request.app[ENGINE], Actor(user=user), user, credential_id, str(form.get("name", ""))
    )
    if refusal is PasskeyRefusal.WRONG:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/account?done=passkey_name" if refusal is None else "/account?done=no_name")


async def remove(request: web.Request) -> web.StreamResponse:
    user, credential_id = request[USER], credential_id_of(request.match_info["id"])
    if credential_id is None or not await remove_passkey(
        request.app[ENGINE], Actor(user=user), user, credential_id
    ):
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/account?done=passkey_gone")


def site_of(request: web.Request) -> Site:
    return Site(host=host_of(request), origin=origin_of(request))


def _answer(result: Question | PasskeyRefusal) -> web.Response:
    if isinstance(result, Question):
        return web.json_response({"token": result.token, "options": result.options})
    return web.json_response({"refusal": str(result)}, status=STATUSES.get(result, 409))


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    return value if isinstance(value, str) else ""


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}
