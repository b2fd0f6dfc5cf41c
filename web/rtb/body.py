"""Reads what a publisher sent, within bounds of size, time, depth and number."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from aiohttp import web

from router.domain.inbound_bid import BidRefusal
from web.rtb.shapes import MAXIMUM_FIELDS, PingProblem, malformed

BODY_BYTES_MAXIMUM = 16 * 1024
QUERY_CHARACTERS_MAXIMUM = 4 * 1024
BODY_SECONDS = 5.0
MAXIMUM_DEPTH = 4

TOO_LARGE = PingProblem(
    reason=BidRefusal.MALFORMED, detail=f"the body is larger than {BODY_BYTES_MAXIMUM // 1024} kB"
)
TOO_SLOW = PingProblem(reason=BidRefusal.MALFORMED, detail="the body did not arrive in time")


async def read_bytes(request: web.Request) -> bytes | PingProblem:
    """Return the body, or why it is not read to its end."""
    if (request.content_length or 0) > BODY_BYTES_MAXIMUM:
        return TOO_LARGE
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                found += chunk
                if len(found) > BODY_BYTES_MAXIMUM:
                    return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW
    return bytes(found)


def read_fields(query: str, content_type: str, body: bytes) -> Mapping[str, Any] | PingProblem:
    """Return the fields of the address and of a JSON or form body; those of the body go first."""
    if len(query) > QUERY_CHARACTERS_MAXIMUM:
        return malformed("the address is too long")
    asked = _form(query)
    if isinstance(asked, PingProblem) or not body.strip():
        return asked
    told = _form_body(body) if content_type == "application/x-www-form-urlencoded" else _json(body)
    return told if isinstance(told, PingProblem) else {**asked, **told}


def _form_body(body: bytes) -> Mapping[str, Any] | PingProblem:
    try:
        return _form(body.decode())
    except UnicodeDecodeError:
        return malformed("the body is no UTF-8")


def _form(text: str) -> Mapping[str, Any] | PingProblem:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAXIMUM_FIELDS, errors="strict"))
    except ValueError:
        return malformed("no form of fields and values")


def _json(body: bytes) -> Mapping[str, Any] | PingProblem:
    try:
        value = json.loads(body, parse_constant=_no_constant, parse_float=_plain, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return malformed(f"the body is no JSON ({type(error).__name__})")
    if not isinstance(value, dict):
        return malformed("the body is no JSON object")
    return value if _depth(value) <= MAXIMUM_DEPTH else malformed("the body is nested too deeply")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _plain(text: str) -> str:
    """A number with a fraction as it was written: 12.50 stays 12.50."""
    number = Decimal(text)
    if abs(number.adjusted()) > 15:
        raise ValueError("an absurd number")
    return format(number, "f")


def _depth(value: object, so_far: int = 0) -> int:
    if so_far > MAXIMUM_DEPTH:
        return so_far
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if parts is None:
        return so_far
    return max((_depth(part, so_far + 1) for part in parts), default=so_far + 1)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
