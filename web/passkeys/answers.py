"""What the passkeys' script sends and is answered, in JSON."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from rules.log_lines import SecurityEvent
from web.passkeys.keys import PasskeyRefusal, Question
from web.security_log import report

STATUSES = {PasskeyRefusal.WRONG: 403, PasskeyRefusal.LOCKED_OUT: 429}
EVENTS = {
    PasskeyRefusal.WRONG: SecurityEvent.SIGN_IN_REFUSED,
    PasskeyRefusal.LOCKED_OUT: SecurityEvent.SIGN_IN_LOCKED,
}


def said(request: web.Request, result: Question | PasskeyRefusal) -> web.Response:
    """Spell a question, or why there is none; who may be guessing leaves a line in the security log."""
    if isinstance(result, Question):
        return web.json_response({"token": result.token, "options": result.options})
    if result in EVENTS:
        report(request, EVENTS[result])
    return web.json_response({"refusal": str(result)}, status=STATUSES.get(result, 409))


async def json_of(request: web.Request) -> dict[str, Any]:
    """Return the object of the body. Raises HTTPBadRequest."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return body


def text_in(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    return value if isinstance(value, str) else ""


def credential_in(body: dict[str, Any]) -> dict[str, Any]:
    value = body.get("credential")
    return value if isinstance(value, dict) else {}
