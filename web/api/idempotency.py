"""Idempotency-Key: a POST that is sent again, because its answer got lost, is answered again and not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import key_ring
from web.api import queries
from web.api.operation import Problem

KEY_CHARACTERS_MAXIMUM = 200
KEPT_HEADERS = ("Content-Type", "ETag", "Location")
ANY_BYTES = "latin-1"
"""Every byte is a character of it: a body is kept as a text, whatever it is."""

BAD_KEY = Problem(
    status=400,
    title="Idempotency-Key",
    detail=f"a key has 1 to {KEY_CHARACTERS_MAXIMUM} printable characters",
)
OTHER_REQUEST = Problem(
    status=422,
    title="Idempotency-Key",
    detail="this key was used for another request: take a new one for a new request",
)
AT_WORK = Problem(
    status=409,
    title="Idempotency-Key",
    detail="the first request of this key is still at work: ask again in a moment",
    headers={"Retry-After": "1"},
)


def done_before(how_to_go_on: str) -> Problem:
    """Return what the repeat of a request is answered whose answer is not kept."""
    said = how_to_go_on or "read what is there before you ask again with a new key"
    return Problem(
        status=409,
        title="Done before",
        detail=f"the first request of this key was done, and its answer is not kept: {said}",
    )


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What the first request of a key was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def begin_post(
    engine: AsyncEngine, user_id: int, key: str, path: str, body: bytes, now: datetime, *, shown_once: str
) -> Remembered | Problem | None:
    """Take a key for a request: None when it is new and ours to do, else its answer or why there is none.

    `shown_once`: how to go on when the answer showed a secret and so was not kept.
    """
    if not 0 < len(key) <= KEY_CHARACTERS_MAXIMUM or not key.isprintable():
        return BAD_KEY
    sent = hashlib.sha256(path.encode() + b"\n" + body).hexdigest()
    digest = key_ring().blind("api request", sent)
    async with engine.begin() as connection:
        if await queries.take_key(connection, user_id, key, digest, now):
            return None
        found = await queries.answer_of(connection, user_id, key)
    if found is not None and found.request_digest != digest:
        return OTHER_REQUEST
    if found is None or found.status is None:
        return AT_WORK
    if found.body is None:
        return done_before(shown_once)
    return Remembered(status=found.status, headers=found.headers, body=found.body.encode(ANY_BYTES))


async def finish_post(
    engine: AsyncEngine, user_id: int, key: str, response: web.Response, *, keep: bool
) -> None:
    """Keep what a request was answered; without `keep`, only that it was."""
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body: str | None = response.body.decode(ANY_BYTES) if isinstance(response.body, bytes) else ""
    if not keep:
        headers, body = {}, None
    async with engine.begin() as connection:
        await queries.keep_answer(connection, user_id, key, response.status, headers, body)


async def forget_post(engine: AsyncEngine, user_id: int, key: str) -> None:
    """Give a key back whose request came to nothing: it may be tried again."""
    async with engine.begin() as connection:
        await queries.forget_key(connection, user_id, key)
