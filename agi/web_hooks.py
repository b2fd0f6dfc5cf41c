"""Asks a web hook of a flow. It is somebody else's server: whatever it does is an answer or a reason, never a fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from ivr_flows.events import WebhookWait
from ivr_flows.resumes import WebhookAnswered
from router.buyers.dialect import JSON_HEADERS, HttpAnswer, HttpRequest, as_json
from router.buyers.ping_client import PingClient, PingFailed

SECONDS_MAXIMUM = 15.0
"""However patient a flow is, a caller is not."""
VALUE_MAXIMUM = 200
"""Characters of one answered field; a longer one counts as not given."""


async def ask_web_hook(client: PingClient, wait: WebhookWait) -> WebhookAnswered:
    """Post the body once, to public addresses only, without following redirects, within the wait's seconds."""
    # A connection of its own, and asked once: what a kept one that was closed meanwhile did is not to be known.
    headers = {**JSON_HEADERS, "Connection": "close"}
    request = HttpRequest(method="POST", url=wait.url, headers=headers, body=as_json(dict(wait.body)))
    seconds = min(wait.timeout_seconds, SECONDS_MAXIMUM)
    try:
        async with asyncio.timeout(seconds):
            answer = await client.exchange(request, again=False)
    except TimeoutError:
        return WebhookAnswered(reason=f"no answer within {seconds:g} seconds")
    except PingFailed as failure:
        return WebhookAnswered(reason=failure.detail)
    return read_answer(answer, wait.fields)


def read_answer(answer: HttpAnswer, fields: Sequence[str]) -> WebhookAnswered:
    """Return the wanted fields of a JSON object as texts; what is neither text, number nor boolean is left out."""
    if not 200 <= answer.status < 300:
        return WebhookAnswered(reason=f"status {answer.status}")
    try:
        body = json.loads(answer.body) if fields else {}
    except (ValueError, RecursionError):
        return WebhookAnswered(reason="the answer is not JSON")
    if not isinstance(body, dict):
        return WebhookAnswered(reason="the answer is not a JSON object")
    told = {field: text for field in fields if (text := _text(body.get(field))) is not None}
    return WebhookAnswered(values=told)


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if len(text) <= VALUE_MAXIMUM and text.isprintable() else None
