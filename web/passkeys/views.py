"""What the passkeys' script asks for, in JSON: a challenge, then what the browser made of it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

from web import zones
from web.addresses import own_path
from web.confirm.views import confirm_page, may_not_change_factors
from web.keys import ENGINE, SESSION, USER
from web.passkeys.answers import credential_in, json_of, said, text_in
from web.passkeys.keys import (
    PasskeyRefusal,
    add_passkey,
    ask_to_add,
    ask_to_sign_in,
    credential_id_of,
    remove_passkey,
    rename_passkey,
    sign_in_with,
    site_of,
)
from web.visitors import actor_of, let_in, look_again, visitor_of

CHOOSE = "/account#passkey-part"


async def begin_sign_in(request: web.Request) -> web.StreamResponse:
    asked = await ask_to_sign_in(
        request.app[ENGINE], site_of(request), visitor_of(request), datetime.now(UTC)
    )
    return said(request, asked)


async def finish_sign_in(request: web.Request) -> web.StreamResponse:
    body = await json_of(request)
    result = await sign_in_with(
        request.app[ENGINE],
        site_of(request),
        token=text_in(body, "token"),
        credential=credential_in(body),
        visitor=visitor_of(request),
        now=datetime.now(UTC),
    )
    if isinstance(result, PasskeyRefusal):
        return said(request, result)
    response = web.json_response({"location": own_path(text_in(body, "next"))})
    zone = zones.zone_named(text_in(body, "time_zone"))
    if zone is not None and not zones.has_zone(request):
        zones.remember_zone(request, response, zone)
    await let_in(request, response, result.token)
    return response


async def begin_adding(request: web.Request) -> web.StreamResponse:
    """Who sits down at a computer left alone must not leave a key of their own: they confirm who they are first."""
    user = request[USER]
    if may_not_change_factors(request) is not None:
        return web.json_response({"confirm": f"/confirm?next={quote(CHOOSE)}"}, status=403)
    return said(request, await ask_to_add(request.app[ENGINE], user, site_of(request), datetime.now(UTC)))


async def finish_adding(request: web.Request) -> web.StreamResponse:
    body, now = await json_of(request), datetime.now(UTC)
    user = request[USER]
    result = await add_passkey(
        request.app[ENGINE],
        actor_of(request),
        user,
        request[SESSION],
        site_of(request),
        token=text_in(body, "token"),
        credential=credential_in(body),
        name=text_in(body, "name"),
        now=now,
    )
    if isinstance(result, PasskeyRefusal):
        return said(request, result)
    await look_again(request, result)
    return web.json_response({"location": "/account?done=passkey"})


async def rename(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    user, credential_id = request[USER], credential_id_of(request.match_info["id"])
    if credential_id is None:
        raise web.HTTPNotFound
    refusal = await rename_passkey(
        request.app[ENGINE], actor_of(request), user, credential_id, str(form.get("name", ""))
    )
    if refusal is PasskeyRefusal.WRONG:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/account?done=passkey_name" if refusal is None else "/account?done=no_name")


async def remove(request: web.Request) -> web.StreamResponse:
    user, credential_id = request[USER], credential_id_of(request.match_info["id"])
    if why := may_not_change_factors(request):
        return await confirm_page(request, why)
    if credential_id is None or not await remove_passkey(
        request.app[ENGINE], actor_of(request), user, credential_id
    ):
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/account?done=passkey_gone")
