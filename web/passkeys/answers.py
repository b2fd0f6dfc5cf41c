"""What the passkeys' script sends and is answered, in JSON."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from web.passkeys.keys import PasskeyRefusal, Question

STATUSES = {PasskeyRefusal.WRONG: 403, PasskeyRefusal.LOCKED_OUT: 429}


def said(result: Question | PasskeyRefusal) -> web.Response:
    """Spell a question, or why there is none."""
    if isinstance(result, Question):
        return web.json_response({"token": result.token, "options": result.options})
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
