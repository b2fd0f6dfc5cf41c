"""`/rtb/{key}`: publishers' machines ask here. No cookies, no sign-in, no forms: the key in the address is all."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from aiohttp import web

from router.domain.inbound_bid import BidRefusal, InboundBid, NoBid, PublisherKey
from router.errors import NoSnapshot
from router.snapshot import DATABASE_FAULTS
from rules.log_lines import SecurityEvent
from web.keys import ENGINE, INBOUND_BIDS, PINGS_AT_WORK, PINGS_ENTERING, RTB_KEYS
from web.known_keys import NO_KEY, Unknown
from web.proxies import client_address
from web.rtb import queries
from web.rtb.body import TOO_LARGE, TOO_SLOW, read_bytes, read_fields
from web.rtb.dialects import DIALECTS
from web.rtb.publisher_keys import digest_of, is_key
from web.rtb.shapes import Answer, Dialect, Fields, Handover, PingProblem
from web.security_log import report

Outcome = TypeVar("Outcome")

log = logging.getLogger(__name__)

PINGS_AT_WORK_MOST = 14
"""Pings that are decided at once by one process: fewer than it has connections."""
PINGS_ENTERING_MOST = 4
"""Pings whose keys are looked up at once."""
WAIT_FOR_TURN_SECONDS = 1.5
"""More pings wait this long for their turn; then they are told to come again."""

UNKNOWN_KEY = Answer(status=404, body={"error": "unknown key"})
NO_SUCH_RESERVATION = Answer(status=404, body={"error": "no such reservation"})
NOT_ALLOWED = Answer(status=405, body={"error": "this key's dialect does not ask so"})
NO_DATABASE = Answer(status=503, body={"error": "try again in a moment"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asker:
    """Who asks, in which dialect, by which key."""

    text: str
    key: PublisherKey
    dialect: Dialect


async def ping(request: web.Request) -> web.Response:
    """Answer a ping, or a post in the dialects that have one."""
    now = datetime.now(UTC)
    asker = await _enter(request, now)
    if isinstance(asker, web.Response):
        return asker
    if request.method not in asker.dialect.methods:
        return write_answer(NOT_ALLOWED)
    fields = await _read(request, asker, now)
    if isinstance(fields, PingProblem):
        return _refuse(asker, fields)
    if asker.dialect.read_handover is not None:
        handover = asker.dialect.read_handover(fields)
        if handover is not None:
            return await _confirm(request, asker, handover, fields, now)
    asked = asker.dialect.read_ping(fields)
    if isinstance(asked, PingProblem):
        return _refuse(asker, asked, fields)
    bids = request.app[INBOUND_BIDS]
    outcome = await _at_work(
        request, bids.ping(asker.key, asked, holds_room=asker.dialect.holds_room, now=now)
    )
    return _seal(asker, fields, _answer(asker.dialect, outcome, now))


async def confirm(request: web.Request) -> web.Response:
    """Answer a PUT that confirms an earlier bid."""
    now = datetime.now(UTC)
    asker = await _enter(request, now)
    if isinstance(asker, web.Response):
        return asker
    if asker.dialect.write_confirmation is None:
        return write_answer(NOT_ALLOWED)
    fields = await _read(request, asker, now)
    if isinstance(fields, PingProblem):
        return _refuse(asker, fields)
    try:
        reservation_id = UUID(request.match_info["reservation"].removesuffix(".json")[:64])
    except ValueError:
        return write_answer(NO_SUCH_RESERVATION)
    return await _confirm(request, asker, Handover(reservation_id=reservation_id, caller=""), fields, now)


async def _enter(request: web.Request, now: datetime) -> _Asker | web.Response:
    """Find the key and count the ping. Anyone who has no key learns nothing and costs no look-up."""
    text = request.match_info["key"].removesuffix(".json")
    if not is_key(text):
        return refuse_unknown(request)
    try:
        refusal = await request.app[RTB_KEYS].refusal(digest_of(text), client_address(request))
        if refusal is not None:
            return refuse_unknown(request, refusal)
        async with asyncio.timeout(WAIT_FOR_TURN_SECONDS):
            await request.app[PINGS_ENTERING].acquire()
        try:
            key, count = await _count(request, digest_of(text), now)
        finally:
            request.app[PINGS_ENTERING].release()
    except DATABASE_FAULTS as error:
        log.warning("a ping is not answered: %s", str(error) or "too many pings at once")
        return write_answer(NO_DATABASE)
    if key is None:
        return refuse_unknown(request)
    asker = _Asker(text=text, key=key, dialect=DIALECTS[key.dialect])
    if count > key.rate_per_minute:
        return _refuse(asker, PingProblem(reason=BidRefusal.RATE_LIMITED, detail=""))
    return asker


async def _count(request: web.Request, digest: bytes, now: datetime) -> tuple[PublisherKey | None, int]:
    """Return the key in force and how many pings it made in this minute."""
    async with request.app[ENGINE].begin() as connection:
        key = await queries.key_of_digest(connection, digest)
        return key, 0 if key is None else await queries.count_ping(connection, key, now)


def refuse_unknown(request: web.Request, unknown: Unknown = NO_KEY) -> web.Response:
    """Answer what is no key in force, or that there were too many of them."""
    report(request, SecurityEvent.PUBLISHER_KEY_GUESSED)
    if not unknown.wait_seconds:
        return write_answer(UNKNOWN_KEY)
    return write_answer(
        Answer(
            status=429,
            body={"error": "too many unknown keys from your address"},
            headers={"Retry-After": str(unknown.wait_seconds)},
        )
    )


async def _read(request: web.Request, asker: _Asker, now: datetime) -> Fields | PingProblem:
    body = await read_bytes(request)
    if isinstance(body, PingProblem):
        return body
    if asker.dialect.check_signature is not None:
        problem = asker.dialect.check_signature(asker.text, request.headers, body, now)
        if problem is not None:
            return problem
    return read_fields(request.query_string, request.content_type, body)


async def _confirm(
    request: web.Request, asker: _Asker, handover: Handover | PingProblem, fields: Fields, now: datetime
) -> web.Response:
    write = asker.dialect.write_confirmation
    assert write is not None
    if isinstance(handover, PingProblem):
        return _refuse(asker, handover, fields)
    bids = request.app[INBOUND_BIDS]
    outcome = await _at_work(request, bids.confirm(asker.key, handover.reservation_id, now, handover.caller))
    if outcome is None:
        return _seal(asker, fields, NO_SUCH_RESERVATION)
    return _seal(asker, fields, write(outcome, now))


async def _at_work(request: web.Request, work: Coroutine[Any, Any, Outcome]) -> Outcome | NoBid:
    """Do the work, or say that there is too much of it, or no market or database to do it by."""
    at_work, busy = request.app[PINGS_AT_WORK], NoBid(ping_id=uuid4(), reason=BidRefusal.BUSY)
    try:
        await asyncio.wait_for(at_work.acquire(), WAIT_FOR_TURN_SECONDS)
    except TimeoutError:
        work.close()
        return busy
    try:
        return await work
    except (NoSnapshot, *DATABASE_FAULTS) as error:
        log.warning("a ping is not answered: %s", str(error) or type(error).__name__)
        return busy
    finally:
        at_work.release()


def _answer(dialect: Dialect, outcome: InboundBid | NoBid, now: datetime) -> Answer:
    return (
        dialect.write_bid(outcome, now) if isinstance(outcome, InboundBid) else dialect.write_refusal(outcome)
    )


def _refuse(asker: _Asker, problem: PingProblem, fields: Fields | None = None) -> web.Response:
    refusal = NoBid(ping_id=uuid4(), reason=problem.reason, detail=problem.detail)
    answer = asker.dialect.write_refusal(refusal)
    response = _seal(asker, fields or {}, answer)
    if problem in (TOO_LARGE, TOO_SLOW):
        response.set_status(413 if problem is TOO_LARGE else 408)
        response.force_close()
    return response


def _seal(asker: _Asker, fields: Fields, answer: Answer) -> web.Response:
    body = _spell(answer.body)
    seal = asker.dialect.seal
    signed = seal(asker.text, fields, body) if seal is not None else {}
    return _response(answer.status, body, {**answer.headers, **signed})


def write_answer(answer: Answer) -> web.Response:
    return _response(answer.status, _spell(answer.body), answer.headers)


def _spell(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        status=status, body=body, content_type="application/json", charset="utf-8", headers=headers
    )
