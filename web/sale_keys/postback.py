"""`/postback/sale/KEY`: a sale that came of a call, told by a buyer's machine, by GET or POST, as often as it likes.

The same steps as POST /api/v1/sales (web/money/sales): the same `id` again changes nothing, with another amount it is a
correction, with 0 it is withdrawn. Whoever has no key learns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.sales import SaleRefused
from rules.log_lines import SecurityEvent
from rules.money import MoneyError, format_dollars, parse_dollars
from web.audit import Actor, Via
from web.keys import ENGINE, SALE_KEYS
from web.money.sales import record_sale
from web.proxies import client_address
from web.rate_queries import count_in_minute
from web.rtb.body import TOO_LARGE, TOO_SLOW, read_bytes, read_fields
from web.rtb.shapes import PingProblem, read_caller
from web.sale_keys import queries
from web.sale_keys.queries import SaleKey
from web.sale_keys.work import digest_of, is_key
from web.security_log import report

ADDRESS = "/postback/sale/{key}"
COUNTER_PREFIX = "sale_postbacks"
ONLY_SALE = "postback"
"""The id of a sale that is told without one: the call has one such."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a postback says. Exactly one of `call_id` and `caller` is there."""

    sale: str
    call_id: UUID | None = None
    caller: str | None = None
    price_micros: int | None = None


async def take(request: web.Request) -> web.Response:
    """200: it stands (`new` false: it stood before); 404, 409, 422, 429: nothing was written, and why."""
    now, key = datetime.now(UTC), request.match_info["key"]
    found = await _key_in_force(request, key, now) if is_key(key) else None
    if found is None:
        report(request, SecurityEvent.SALE_KEY_GUESSED)
        return _refuse(404, "unknown key")
    if isinstance(found, web.Response):
        return found
    body = await read_bytes(request)
    fields = (
        body
        if isinstance(body, PingProblem)
        else read_fields(request.query_string, request.content_type, body)
    )
    if isinstance(fields, PingProblem):
        return _refuse({TOO_LARGE: 413, TOO_SLOW: 408}.get(fields, 400), fields.detail)
    told = read_postback(fields)
    if isinstance(told, str):
        return _refuse(422, told)
    async with request.app[ENGINE].begin() as connection:
        return await _record(connection, found, told, now)


async def _key_in_force(request: web.Request, key: str, now: datetime) -> SaleKey | web.Response | None:
    unknown = await request.app[SALE_KEYS].refusal(digest_of(key), client_address(request))
    if unknown is not None and unknown.wait_seconds:
        wait = {"Retry-After": str(unknown.wait_seconds)}
        return _refuse(429, "too many unknown keys from your address", wait)
    if unknown is not None:
        return None
    async with request.app[ENGINE].begin() as connection:
        found = await queries.key_of_digest(connection, digest_of(key))
        if found is None:
            return None
        name = f"{COUNTER_PREFIX}:{found.id}"
        count = await count_in_minute(connection, name, found.rate_per_minute, now)
    if count > found.rate_per_minute:
        return _refuse(429, "too many in this minute", {"Retry-After": "60"})
    return found


async def _record(connection: AsyncConnection, key: SaleKey, told: Told, now: datetime) -> web.Response:
    if told.call_id is not None:
        own = await queries.is_own_call(connection, key, told.call_id)
        call_id = told.call_id if own else None
    else:
        call_id = await queries.call_of_caller(connection, key, told.caller or "", told.sale)
    if call_id is None:
        return _refuse(404, "no such call of yours, or it is not settled yet: try again later")
    actor = Actor(user=None, via=Via.API, name=f"sale key {key.id}")
    done = await record_sale(
        connection, actor, call_id, key=told.sale, now=now, price_micros=told.price_micros
    )
    if isinstance(done, SaleRefused):
        return _refuse(409, done.reason)
    # What the publisher gets is none of the reporter's business.
    amount = format_dollars(done.price_micros, sign="").replace(",", "")
    said = {
        "call_id": str(call_id),
        "id": told.sale,
        "version": done.version,
        "amount": amount,
        "new": done.new,
    }
    return web.json_response(said)


_FIELDS = ("call_id", "caller", "amount", "id")


def read_postback(fields: Mapping[str, Any]) -> Told | str:
    """Return what the fields say, or what is wrong with them, for people who set up the other side."""
    texts = {
        name: str(fields[name]).strip()
        for name in ("call_id", "caller", "amount", "id")
        if fields.get(name) is not None
    }
    named = [name for name in ("call_id", "caller") if texts.get(name)]
    if len(named) != 1:
        return "name the call by call_id, or by caller: one of them"
    if named == ["caller"] and not texts.get("id"):
        return (
            "a sale whose call is named by its caller needs an id, so that telling it again changes nothing"
        )
    try:
        price = parse_dollars(texts["amount"]) if texts.get("amount") else None
    except MoneyError as problem:
        return f"amount: {problem}"
    if price is not None and price < 0:
        return "amount: nothing below zero; 0 withdraws the sale"
    return _told(texts, named[0], price)


def _told(texts: Mapping[str, str], named: str, price: int | None) -> Told | str:
    sale = texts.get("id") or ONLY_SALE
    if named == "caller":
        caller = read_caller(texts["caller"])
        if not caller:
            return "caller: not a telephone number like +16145550123"
        return Told(sale=sale, caller=caller, price_micros=price)
    try:
        return Told(sale=sale, call_id=UUID(texts["call_id"]), price_micros=price)
    except ValueError:
        return "call_id: not one of ours"


def _refuse(status: int, why: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": why}, status=status, headers=headers)
